// GEMM by CLBlast, checked against a plain reference: an unmodified compute program.
//   gemm-clblast [--n 256] [--repeat 20 | --seconds S [--start NS]] [--trace FILE]
// Prints JSON {"n", "runs", "gflops", "max_error"}; exit code 1 when the result is wrong.
#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

long long now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void check(int rc, const char* what) {
  if (rc == 0) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(3);
}

std::vector<float> matrix(size_t n, unsigned seed) {
  std::vector<float> m(n * n);
  for (float& x : m) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 16) / 65536.0f - 0.5f;
  }
  return m;
}

double worst_error(const std::vector<float>& a, const std::vector<float>& b,
                   const std::vector<float>& c, size_t n) {
  double worst = 0;
  for (size_t k = 0; k < 64; ++k) {  // a sample of elements over the whole matrix
    size_t i = k * 7919 % n, j = k * 104729 % n;
    double sum = 0;
    for (size_t x = 0; x < n; ++x) sum += static_cast<double>(a[i * n + x]) * b[x * n + j];
    worst = std::max(worst, std::fabs(sum - c[i * n + j]));
  }
  return worst;
}

}  // namespace

int main(int argc, char** argv) {
  size_t n = 256, repeat = 20;
  double seconds = 0;
  long long start = 0;
  std::string trace;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--n") n = static_cast<size_t>(atoi(argv[i + 1]));
    if (name == "--repeat") repeat = static_cast<size_t>(atoi(argv[i + 1]));
    if (name == "--seconds") seconds = atof(argv[i + 1]);
    if (name == "--start") start = atoll(argv[i + 1]);
    if (name == "--trace") trace = argv[i + 1];
  }
  cl_platform_id platform;
  cl_device_id device;
  check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  cl_int rc;
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &rc);
  check(rc, "clCreateContext");
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, nullptr, &rc);
  check(rc, "clCreateCommandQueueWithProperties");
  std::vector<float> a = matrix(n, 1), b = matrix(n, 2), c(n * n);
  size_t bytes = n * n * sizeof(float);
  cl_mem da =
      clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes, a.data(), &rc);
  check(rc, "clCreateBuffer");
  cl_mem db =
      clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes, b.data(), &rc);
  check(rc, "clCreateBuffer");
  cl_mem dc = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, nullptr, &rc);
  check(rc, "clCreateBuffer");
  auto gemm = [&] {
    check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, n, n, n, 1.0f,
                       da, 0, n, db, 0, n, 0.0f, dc, 0, n, &queue, nullptr),
          "CLBlastSgemm");
    check(clFinish(queue), "clFinish");
  };
  gemm();  // builds the kernels
  while (start != 0 && now() < start) usleep(200);
  long long begin = now();
  std::vector<long long> done;
  while (seconds > 0 ? static_cast<double>(now() - begin) < seconds * 1e9 : done.size() < repeat) {
    gemm();
    done.push_back(now());
  }
  double spent = static_cast<double>(now() - begin);
  check(clEnqueueReadBuffer(queue, dc, CL_TRUE, 0, bytes, c.data(), 0, nullptr, nullptr),
        "clEnqueueReadBuffer");
  double error = worst_error(a, b, c, n);
  double flops =
      2.0 * static_cast<double>(n * n) * static_cast<double>(n) * static_cast<double>(done.size());
  printf("{\"n\": %zu, \"runs\": %zu, \"gflops\": %.3f, \"max_error\": %.2e}\n", n, done.size(),
         flops / spent, error);
  if (!trace.empty()) {
    FILE* f = fopen(trace.c_str(), "w");
    check(f == nullptr ? 1 : 0, "trace file");
    for (long long t : done) fprintf(f, "%lld 1\n", t);
    fclose(f);
  }
  return error < 1e-2 ? 0 : 1;
}
