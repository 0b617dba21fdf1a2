// Takes a family's weights out of ModelFiles and checks them: every tensor has the shape that the
// config asks for, small ones hold finite numbers. The first error sticks, and what is asked after
// it is empty, so that a family loads in a straight line and asks for the status once.
//
// Matrices are viewed where they lie. Vectors (norms, biases) become float32, which kernels want,
// in storage that goes to the model with Take().
#ifndef AHA_MODEL_WEIGHT_LOADER_H_
#define AHA_MODEL_WEIGHT_LOADER_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "model/model.h"
#include "ops/linear.h"
#include "tensor/storage.h"
#include "weights/model_files.h"

namespace aha {

// What a model keeps of its loading. Views stay valid when this moves.
struct LoadedWeights {
  struct Parameter {
    std::string name;
    ConstView view;  // what the forward reads: vectors as float32
  };
  std::vector<Parameter> parameters;
  std::vector<Storage> owned;
  std::vector<DerivedWeight> derived;  // transposed copies, in `owned`
  std::vector<LinearMap> linears;      // what may be adapted

  // Makes the transposed copies anew.
  void Renew();
};

class WeightLoader {
 public:
  WeightLoader(const ModelFiles& files, bool check_all) : files_(files), check_all_(check_all) {}

  // "NAME", [out, in].
  ConstView Matrix(const std::string& name, int64_t out, int64_t in);
  // "NAME", [n]; as float32: in place where it is stored so (a trainer's updates are seen).
  ConstView Vector(const std::string& name, int64_t n);
  // "NAME.weight" [out, in] and, if there is one, "NAME.bias" [out]; with "NAME.lora_A.weight"
  // [r, in] and "NAME.lora_B.weight" [out, r] in the files, adapted by them (scale: config's
  // lora_alpha / r).
  ops::LinearWeight Linear(const std::string& name, int64_t out, int64_t in, bool bias = false);
  // Refuses NaN and infinity in a matrix that Matrix gave (done by Matrix with check_all).
  void CheckFinite(const std::string& name, const ConstView& view);

  // From w [rows of one head, in]: its transpose [in, rows], owned. Float dtypes stay, quantised
  // ones become float32.
  ConstView OwnedTranspose(const ConstView& w);

  void Fail(Status status);
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  // All that was loaded. Errors: status(); a low-rank adapter in the files that no Linear asked
  // for, which would be ignored without a word.
  Result<LoadedWeights> Take();

 private:
  ConstView Find(const std::string& name, const Shape& shape);
  ops::LoraAdapter Lora(const std::string& name, int64_t out, int64_t in);

  const ModelFiles& files_;
  const bool check_all_;
  Status status_;
  LoadedWeights loaded_;
  std::vector<float> row_;  // scratch
};

// Sums over views.
struct WeightSize {
  int64_t elements = 0;
  int64_t bytes = 0;
  WeightSize& operator+=(const WeightSize& o) {
    elements += o.elements;
    bytes += o.bytes;
    return *this;
  }
  WeightSize& operator-=(const WeightSize& o) {
    elements -= o.elements;
    bytes -= o.bytes;
    return *this;
  }
};
WeightSize SizeOf(const ConstView& view);
WeightSize SizeOf(const LoadedWeights& weights);
bool MostlyQuantized(const LoadedWeights& weights);

}  // namespace aha

#endif  // AHA_MODEL_WEIGHT_LOADER_H_
