// What the tests of model/ share: a model with a cache of its own, and readers of the goldens that
// tools/make_model_goldens.py made.
#ifndef AHA_MODEL_MODEL_TEST_RUN_H_
#define AHA_MODEL_MODEL_TEST_RUN_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "model/model.h"

namespace aha {

inline std::filesystem::path ModelTestData(const std::string& name) {
  return std::filesystem::path(AHA_SOURCE_DIR) / "src" / "model" / "testdata" / name;
}

inline const std::vector<std::string>& TinyModels() {
  static const std::vector<std::string> names = {
      "llama",       "llama3_tied",      "smollm",
      "qwen2",       "qwen2_yarn_bf16",  "qwen3",
      "deepseek_v3", "deepseek_v3_bf16", "deepseek_v3_plain_q",
      "deepseek_v2"};
  return names;
}

// Float32 tensors of a safetensors file of our own making.
struct Golden {
  std::map<std::string, std::vector<float>> tensors;

  static Golden Read(const std::string& variant, const char* kind = ".golden.safetensors") {
    const Result<std::string> file = ReadFile(ModelTestData(variant + kind));
    CHECK(file.ok(), file.ok() ? "" : file.status().message());
    uint64_t header = 0;
    std::memcpy(&header, file->data(), 8);
    const Json json = ParseJson(std::string_view(*file).substr(8, header)).value();
    Golden golden;
    for (const auto& [name, entry] : json.items()) {
      if (name == "__metadata__") continue;
      const auto begin = entry["data_offsets"][0].get<size_t>();
      const auto end = entry["data_offsets"][1].get<size_t>();
      std::vector<float>& values = golden.tensors[name];
      values.resize((end - begin) / sizeof(float));
      std::memcpy(values.data(), file->data() + 8 + header + begin, end - begin);
    }
    return golden;
  }
  std::vector<int32_t> Tokens(int sequence) const {
    const std::vector<float>& t = tensors.at("tokens." + std::to_string(sequence));
    return {t.begin(), t.end()};
  }
};

// One cache and one Context for a model. Sequences stand in contiguous rows, or in pages handed out
// back to front, so that nothing lies where it would by chance.
class ModelRun {
 public:
  ModelRun(Model* model, const kernels::Backend* backend, int threads, int64_t page_tokens = 0,
           int64_t rows_per_sequence = 64, int64_t sequences = 4, DType cache_dtype = DType::kF32)
      : model_(model),
        pool_(threads),
        cx_(backend, &pool_, ops::Numerics::kPortable),
        page_tokens_(page_tokens),
        rows_(rows_per_sequence),
        lengths_(static_cast<size_t>(sequences)),
        cache_dtype_(cache_dtype) {
    const ModelInfo& info = model->info();
    const auto layers = static_cast<size_t>(info.layers);
    const auto rows = static_cast<size_t>(rows_ * sequences);
    // NaN in either type where nothing was stored: reading it shows.
    const auto cache = [&](int64_t width) {
      return std::vector<uint8_t>(rows * static_cast<size_t>(BytesFor(cache_dtype, width)), 0xFF);
    };
    k_.assign(layers, cache(info.kv.k_width()));
    v_.assign(layers, cache(info.kv.v_width()));
    for (size_t l = 0; l < layers; ++l) {
      k_rows_.push_back(k_[l].data());
      v_rows_.push_back(v_[l].data());
    }
    if (page_tokens_ > 0) {
      const int64_t pages = rows_ / page_tokens_;
      for (int64_t s = 0; s < sequences; ++s) {
        for (int64_t p = 0; p < pages; ++p) {
          pages_.push_back(static_cast<int32_t>(p * sequences + (sequences - 1 - s)));
        }
      }
    }
    model->ReservePositions(rows_);
  }

  struct Part {
    int64_t sequence;
    std::vector<int32_t> tokens;
  };
  // One pass over the next tokens of some sequences: logits of all of them, [tokens, vocab], valid
  // until the next pass. Allocates nothing of its own once its vectors have grown.
  Tensor Pass(std::span<const Part> parts,
              std::function<void(int, const Tensor&)> observer = nullptr) {
    tokens_.clear();
    positions_.clear();
    slots_.clear();
    parts_.clear();
    for (const Part& part : parts) {
      int64_t& length = lengths_[static_cast<size_t>(part.sequence)];
      const int32_t* pages = pages_.data() + part.sequence * PagesPerSequence();
      parts_.push_back({.first_query = static_cast<int64_t>(tokens_.size()),
                        .queries = static_cast<int64_t>(part.tokens.size()),
                        .first_position = length,
                        .pages = page_tokens_ > 0 ? pages : nullptr,
                        .first_row = part.sequence * rows_});
      for (int32_t token : part.tokens) {
        tokens_.push_back(token);
        positions_.push_back(static_cast<int32_t>(length));
        slots_.push_back(static_cast<int32_t>(
            page_tokens_ > 0 ? pages[length / page_tokens_] * page_tokens_ + length % page_tokens_
                             : part.sequence * rows_ + length));
        ++length;
      }
    }
    cx_.activations.Reset();
    const ops::KvBatch kv = {.k = k_rows_,
                             .v = v_rows_,
                             .dtype = cache_dtype_,
                             .page_tokens = page_tokens_,
                             .slots = slots_,
                             .sequences = parts_};
    const Tensor hidden = model_->Forward(cx_, {tokens_, positions_, kv, std::move(observer)});
    return model_->Logits(cx_, hidden);
  }
  std::vector<float> Step(const std::vector<Part>& parts,
                          std::function<void(int, const Tensor&)> observer = nullptr) {
    const Tensor logits = Pass(parts, std::move(observer));
    return {logits.data, logits.data + logits.shape.elements()};
  }
  // A whole sequence in chunks.
  std::vector<float> Logits(int64_t sequence, const std::vector<int32_t>& tokens, size_t chunk) {
    std::vector<float> all;
    for (size_t i = 0; i < tokens.size(); i += chunk) {
      const auto begin = tokens.begin() + static_cast<int64_t>(i);
      const auto end = tokens.begin() + static_cast<int64_t>(std::min(i + chunk, tokens.size()));
      const std::vector<float> some = Step({{sequence, {begin, end}}});
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  size_t arena_bytes() const { return cx_.activations.capacity(); }

 private:
  int64_t PagesPerSequence() const { return page_tokens_ > 0 ? rows_ / page_tokens_ : 0; }

  Model* model_;
  ThreadPool pool_;
  ops::Context cx_;
  int64_t page_tokens_;
  int64_t rows_;
  std::vector<int64_t> lengths_;
  DType cache_dtype_;
  std::vector<std::vector<uint8_t>> k_, v_;
  std::vector<void*> k_rows_, v_rows_;
  std::vector<int32_t> pages_;
  // Of the current pass.
  std::vector<int32_t> tokens_, positions_, slots_;
  std::vector<kernels::AttentionSequence> parts_;
};

}  // namespace aha

#endif  // AHA_MODEL_MODEL_TEST_RUN_H_
