// A vendor library whose start-up code crashes; prints to stdout first, as some drivers do.
#include <CL/cl_icd.h>

#include <csignal>
#include <cstdio>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT cl_int clIcdGetPlatformIDsKHR(cl_uint, cl_platform_id*, cl_uint*) {
  std::puts("driver says hello");
  std::fflush(stdout);
  std::raise(SIGSEGV);
  return CL_SUCCESS;
}
