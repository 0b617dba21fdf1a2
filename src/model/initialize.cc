#include "model/initialize.h"

#include <cmath>

#include "base/portable_math.h"
#include "base/rng.h"
#include "model/model.h"

namespace aha {
namespace {

// FNV-1a: names to streams of random numbers.
uint64_t HashOf(const std::string& name) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return h;
}

// Box and Muller by our own functions: the same weights on every machine.
float Normal(const Rng& rng, uint64_t index) {
  const double u = 1 - rng.Uniform(index, 0);  // (0, 1]
  const double angle = 6.283185307179586 * rng.Uniform(index, 1);
  return static_cast<float>(std::sqrt(-2 * portable::Log(u)) * portable::Cos(angle));
}

}  // namespace

void InitializeTensor(ModelFiles& files, const std::string& name, uint64_t seed) {
  float* values = files.Floats(name);
  CHECK(values != nullptr, name);
  const Shape shape = files.Find(name)->shape;
  const auto n = static_cast<uint64_t>(shape.elements());
  const Rng rng(seed, HashOf(name));
  if (name.ends_with("norm.weight")) {
    std::fill_n(values, n, 1.0f);
  } else if (name.ends_with("bias") || name.ends_with("lora_B.weight")) {
    std::fill_n(values, n, 0.0f);
  } else if (name.ends_with("lora_A.weight")) {
    const double bound = 1 / std::sqrt(static_cast<double>(shape.back()));
    for (uint64_t i = 0; i < n; ++i) {
      values[i] = static_cast<float>((2 * rng.Uniform(i) - 1) * bound);
    }
  } else {
    const Json& config = files.config();
    double std = FindKey(config, "initializer_range") == nullptr
                     ? 0.02
                     : GetDouble(config, "initializer_range").value();
    if (name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight")) {
      std /= std::sqrt(2.0 * static_cast<double>(GetInt(config, "num_hidden_layers").value()));
    }
    for (uint64_t i = 0; i < n; ++i) values[i] = Normal(rng, i) * static_cast<float>(std);
  }
}

Result<ModelFiles> NewModel(const Json& config, uint64_t seed) {
  AHA_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::InMemory(config, /*make_missing=*/true));
  if (FindKey(files.config(), "initializer_range") != nullptr) {
    AHA_RETURN_IF_ERROR(GetDouble(files.config(), "initializer_range").status());
  }
  AHA_RETURN_IF_ERROR(LoadModel(files).status());  // asks for every tensor
  for (const std::string& name : files.names()) InitializeTensor(files, name, seed);
  return files;
}

}  // namespace aha
