// What an op runs on: kernels with their threads and scratch, the arena that its results live in,
// and in training the tape that it records on.
//
//   ops::Context cx(backend, &pool, Numerics::kPortable);
//   Tensor y = ops::Linear(cx, x, w);     // y lives until cx.activations.Reset()
//
// One Context serves one caller at a time. A forward without a tape is inference.
#ifndef AHA_OPS_CONTEXT_H_
#define AHA_OPS_CONTEXT_H_

#include <cstring>
#include <utility>

#include "base/arena.h"
#include "kernels/kernels.h"
#include "ops/tape.h"
#include "tensor/view.h"

namespace aha::ops {

using kernels::Numerics;

struct Context {
  kernels::Context kernels;
  Arena activations;
  Tape* tape = nullptr;

  Context(const kernels::Backend* backend, ThreadPool* pool, Numerics numerics)
      : kernels(backend, pool, numerics) {}

  const kernels::Backend& backend() const { return *kernels.backend; }
  // Uninitialised activations.
  Tensor New(Shape shape) { return {activations.Allocate<float>(shape.elements()), shape}; }
  // Gives back every activation made since `mark` but `kept`, which moves to the mark: a forward's
  // memory does not grow with the number of layers. Nothing is given back while a tape wants it.
  Tensor Keep(Arena::Mark mark, const Tensor& kept) {
    if (tape != nullptr) return kept;
    activations.Rewind(mark);  // the memory stays; only its place is free again
    const Tensor moved = New(kept.shape);
    if (kept.shape.elements() > 0) std::memmove(moved.data, kept.data, kept.span().size_bytes());
    return moved;
  }

  // One block of a model, body(cx, x) -> a tensor of its own. Without a tape the result replaces
  // all activations since `mark` (x too). A recomputing tape keeps x and the result, and runs
  // `body` again in backward: it must own what it captures, and may not write to x.
  template <typename Body>
  Tensor Block(Arena::Mark mark, const Tensor& x, const Body& body) {
    if (tape == nullptr) return Keep(mark, body(*this, x));
    if (!tape->recompute()) return body(*this, x);
    Tape* const recording = std::exchange(tape, nullptr);
    const Tensor y = Keep(activations.Save(), body(*this, x));
    tape = recording;
    tape->Record([x, y, body](Context& cx) {
      cx.tape->Gradient(x);  // outlives what the block's own steps make
      cx.tape->Gradient(y);
      const Arena::Mark activations = cx.activations.Save();
      const Tape::Mark gradients = cx.tape->Save();
      cx.tape->Record([activations, gradients](Context& cx) {
        cx.activations.Rewind(activations);
        cx.tape->Rewind(gradients);
      });
      cx.tape->Share(y, body(cx, x));
    });
    return y;
  }
};

}  // namespace aha::ops

#endif  // AHA_OPS_CONTEXT_H_
