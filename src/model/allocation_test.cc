// No heap allocation per token: this program's operator new counts, and the arena (which takes its
// blocks elsewhere) does not grow.
#include "base/test_allocations.h"
#ifndef AHA_NO_ALLOCATION_TEST

#include <gtest/gtest.h>

#include "model/model_test_run.h"

namespace aha {
namespace {

TEST(Allocation, NoneInASteadyState) {
  for (const std::string& name : TinyModels()) {
    const Result<ModelFiles> files = ModelFiles::Open(ModelTestData(name));
    ASSERT_TRUE(files.ok()) << files.status().message();
    const std::unique_ptr<Model> model = LoadModel(*files).value();
    for (const kernels::Backend* backend : kernels::AvailableBackends()) {
      // One thread: with more, a worker makes its scratch when it first gets work, which may be
      // late.
      ModelRun run(model.get(), backend, 1);
      run.Step({{0, {1, 2, 3, 4, 5, 6, 7}}, {1, {1, 2, 3}}});
      const std::vector<ModelRun::Part> parts = {{0, {2}}, {1, {3}}};
      for (int i = 0; i < 3; ++i) run.Pass(parts);
      const int64_t before = test_allocations;
      const size_t arena = run.arena_bytes();
      for (int i = 0; i < 8; ++i) run.Pass(parts);
      EXPECT_EQ(test_allocations, before) << name << " on " << backend->name();
      EXPECT_EQ(run.arena_bytes(), arena) << name << " on " << backend->name();
    }
  }
}

}  // namespace
}  // namespace aha

#endif  // AHA_NO_ALLOCATION_TEST
