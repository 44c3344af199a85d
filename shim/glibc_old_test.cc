// What shim/glibc_old.cc gives to the shims works: with what this system's C library has, and as if
// it had none of it.
#include <dlfcn.h>
#include <gtest/gtest.h>

namespace {

unsigned probed(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return ADD_FAILURE() << dlerror(), 0;
  auto* probe = reinterpret_cast<unsigned (*)()>(dlsym(library, "flexai_old_probe"));
  return probe == nullptr ? 0 : probe();
}

TEST(OldC, WorksWithThisLibrary) { EXPECT_EQ(probed(FLEXAI_PROBE), 127u); }
TEST(OldC, WorksAsIfThisLibraryWereOld) { EXPECT_EQ(probed(FLEXAI_PROBE_OLD), 127u); }

}  // namespace
