#include "driver/opencl/library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace flexai::driver::opencl {
namespace {

TEST(Library, ThatIsNoDriverGivesAnEmptyTable) {
  void* self = dlopen(nullptr, RTLD_NOW);
  EXPECT_EQ(table_from_library(self).clGetPlatformIDs, nullptr);
  EXPECT_EQ(table_from_library(nullptr).clGetPlatformIDs, nullptr);
  dlclose(self);
}

}  // namespace
}  // namespace flexai::driver::opencl
