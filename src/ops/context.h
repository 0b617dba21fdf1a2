// What an op runs on: kernels with their threads and scratch, and the arena that its results live
// in.
//
//   ops::Context cx(backend, &pool, Numerics::kPortable);
//   Tensor y = ops::Linear(cx, x, w);     // y lives until cx.activations.Reset()
//
// One Context serves one caller at a time. A training tape will hang here: ops record into it when
// it is there, and a forward without one is inference.
#ifndef AHA_OPS_CONTEXT_H_
#define AHA_OPS_CONTEXT_H_

#include "base/arena.h"
#include "kernels/kernels.h"
#include "tensor/view.h"

namespace aha::ops {

using kernels::Numerics;

struct Context {
  kernels::Context kernels;
  Arena activations;

  Context(const kernels::Backend* backend, ThreadPool* pool, Numerics numerics)
      : kernels(backend, pool, numerics) {}

  const kernels::Backend& backend() const { return *kernels.backend; }
  // Uninitialised activations.
  Tensor New(Shape shape) { return {activations.Allocate<float>(shape.elements()), shape}; }
};

}  // namespace aha::ops

#endif  // AHA_OPS_CONTEXT_H_
