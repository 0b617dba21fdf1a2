#include "model/weight_loader.h"

#include <cmath>
#include <cstring>
#include <set>

#include "weights/dequantize.h"

namespace aha {
namespace {

// `out` views storage of our own.
void Transpose(const ConstView& w, const ConstView& out) {
  const int64_t rows = w.rows();
  const int64_t cols = w.cols();
  const auto size = static_cast<size_t>(BytesFor(out.dtype, 1));
  auto* to = const_cast<std::byte*>(out.data);
  std::vector<float> row(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    const std::byte* from = w.row(r);
    if (out.dtype != w.dtype) {
      Dequantize({from, w.dtype, {cols}}, row);
      from = reinterpret_cast<const std::byte*>(row.data());
    }
    for (int64_t c = 0; c < cols; ++c) {
      std::memcpy(to + static_cast<size_t>(c * rows + r) * size,
                  from + static_cast<size_t>(c) * size, size);
    }
  }
}

}  // namespace

void WeightLoader::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

ConstView WeightLoader::Find(const std::string& name, const Shape& shape) {
  if (!ok()) return {};
  const Result<ConstView> found = files_.FindOrMake(name, shape);
  if (!found.ok()) {
    Fail(found.status());
    return {};
  }
  if (!(found->shape == shape)) {
    Fail(InvalidArgument("{} has shape {}, config.json asks {}", name, found->shape.ToString(),
                         shape.ToString()));
    return {};
  }
  const DTypeInfo& info = Info(found->dtype);
  if (shape.back() % info.block_elements != 0) {
    Fail(InvalidArgument("{} is {} in rows of {}, which do not fill blocks of {}", name, info.name,
                         shape.back(), info.block_elements));
    return {};
  }
  return *found;
}

void WeightLoader::CheckFinite(const std::string& name, const ConstView& view) {
  if (!ok()) return;
  row_.resize(static_cast<size_t>(view.cols()));
  for (int64_t r = 0; r < view.rows(); ++r) {
    Dequantize({view.row(r), view.dtype, {view.cols()}}, row_);
    for (size_t c = 0; c < row_.size(); ++c) {
      if (std::isfinite(row_[c])) continue;
      Fail(InvalidArgument("{} holds {} at row {}, column {}", name, row_[c], r, c));
      return;
    }
  }
}

ConstView WeightLoader::Matrix(const std::string& name, int64_t out, int64_t in) {
  const ConstView view = Find(name, {out, in});
  if (check_all_) CheckFinite(name, view);
  if (ok()) loaded_.parameters.push_back({name, view});
  return view;
}

ConstView WeightLoader::Vector(const std::string& name, int64_t n) {
  const ConstView stored = Find(name, {n});
  CheckFinite(name, stored);
  if (!ok()) return {};
  if (stored.dtype == DType::kF32 && reinterpret_cast<uintptr_t>(stored.data) % 4 == 0) {
    loaded_.parameters.push_back({name, stored});
    return stored;
  }
  Storage& copy = loaded_.owned.emplace_back(DType::kF32, stored.shape);
  Dequantize(stored, {copy.floats(), static_cast<size_t>(n)});
  loaded_.parameters.push_back({name, copy.view()});
  return copy.view();
}

ops::LinearWeight WeightLoader::Linear(const std::string& name, int64_t out, int64_t in,
                                       bool bias) {
  ops::LinearWeight w;
  w.weight = Matrix(name + ".weight", out, in);
  loaded_.linears.push_back({name, out, in});
  if (bias) w.bias = Vector(name + ".bias", out);
  if (files_.Has(name + ".lora_A.weight")) w.lora = Lora(name, out, in);
  return w;
}

ops::LoraAdapter WeightLoader::Lora(const std::string& name, int64_t out, int64_t in) {
  const Result<ConstView> a = files_.Find(name + ".lora_A.weight");
  const Result<double> alpha = GetDouble(files_.config(), "lora_alpha");
  if (!a.ok()) Fail(a.status());
  if (!alpha.ok()) Fail(alpha.status().Within(name + ".lora_A.weight needs it"));
  if (!ok()) return {};
  const int64_t rank = a->rows();
  ops::LoraAdapter lora;
  lora.a = Matrix(name + ".lora_A.weight", rank, in);
  lora.b = Matrix(name + ".lora_B.weight", out, rank);
  lora.scale = static_cast<float>(*alpha / static_cast<double>(rank));
  return lora;
}

ConstView WeightLoader::OwnedTranspose(const ConstView& w) {
  if (!ok()) return {};
  const DType dtype = Info(w.dtype).quantized ? DType::kF32 : w.dtype;
  const Storage& out = loaded_.owned.emplace_back(dtype, Shape{w.cols(), w.rows()});
  loaded_.derived.push_back({out.view(), w});
  Transpose(w, out.view());
  return out.view();
}

Result<LoadedWeights> WeightLoader::Take() {
  AHA_RETURN_IF_ERROR(status_);
  std::set<std::string> loaded;
  for (const LoadedWeights::Parameter& p : loaded_.parameters) loaded.insert(p.name);
  for (const std::string& name : files_.names()) {
    if (name.find(".lora_") == std::string::npos || loaded.contains(name)) continue;
    return InvalidArgument(
        "{} adapts nothing that this model can adapt (the projections of its attention and dense "
        "or shared MLP)",
        name);
  }
  return std::move(loaded_);
}

void LoadedWeights::Renew() {
  for (const DerivedWeight& d : derived) Transpose(d.source, d.transposed);
}

WeightSize SizeOf(const ConstView& view) {
  return view.empty() ? WeightSize{} : WeightSize{view.shape.elements(), view.bytes()};
}

bool MostlyQuantized(const LoadedWeights& weights) {
  int64_t quantized = 0;
  for (const LoadedWeights::Parameter& p : weights.parameters) {
    if (Info(p.view.dtype).quantized) quantized += p.view.shape.elements();
  }
  return quantized > SizeOf(weights).elements / 2;
}

WeightSize SizeOf(const LoadedWeights& weights) {
  WeightSize sum;
  for (const LoadedWeights::Parameter& p : weights.parameters) sum += SizeOf(p.view);
  return sum;
}

}  // namespace aha
