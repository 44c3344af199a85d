// An ordinary OpenCL program that takes memory of the card until it is refused, and fills what it
// got. Prints in JSON what the card is said to have, what it got and the error of the refusal.
//   flexai-memory-opencl [--chunk-mib N] [--most-mib N]
#include <stdio.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "test/load/card.h"

using namespace flexai::test;

int main(int argc, char** argv) {
  size_t chunk = 16, most = 4096;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--chunk-mib") chunk = strtoull(argv[i + 1], nullptr, 10);
    if (name == "--most-mib") most = strtoull(argv[i + 1], nullptr, 10);
  }
  Card card = open_card(64, false);
  char model[256] = "";
  cl_ulong size = 0;
  clGetDeviceInfo(card.id, CL_DEVICE_NAME, sizeof model - 1, model, nullptr);
  clGetDeviceInfo(card.id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof size, &size, nullptr);
  size_t got = 0;
  cl_int rc = CL_SUCCESS;
  std::vector<cl_mem> held;
  while (got + chunk <= most) {
    cl_mem buffer = clCreateBuffer(card.context, CL_MEM_READ_WRITE, chunk << 20, nullptr, &rc);
    if (rc != CL_SUCCESS) break;
    held.push_back(buffer);
    cl_uint pattern = 0x5a5a5a5a;
    rc = clEnqueueFillBuffer(card.queue, buffer, &pattern, sizeof pattern, 0, chunk << 20, 0,
                             nullptr, nullptr);
    if (rc == CL_SUCCESS) rc = clFinish(card.queue);
    if (rc != CL_SUCCESS) break;
    got += chunk;
  }
  printf("{\"model\": \"%s\", \"reported_bytes\": %llu, \"got_bytes\": %zu, \"error\": %d}\n",
         model, static_cast<unsigned long long>(size), got << 20, rc);
  for (cl_mem buffer : held) clReleaseMemObject(buffer);
}
