// gemm-sharded: C = A B by CLBlast on all devices of a platform, in one context. Each device has a
// stripe of the rows of A and C and works through the stripes of the columns of B, which go from
// device to device. None needs room for a whole matrix.
//
// usage: gemm-sharded N      exit code 1 when the result is wrong
#include <clblast_c.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

void check(int code, const char* what) {
  if (code == 0) return;
  std::fprintf(stderr, "%s: error %d\n", what, code);
  std::exit(3);
}

std::vector<float> matrix(size_t n, unsigned seed) {
  std::vector<float> made(n * n);
  for (float& x : made) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<float>(seed >> 16) / 65536.0f - 0.5f;
  }
  return made;
}

double worst_error(const std::vector<float>& a, const std::vector<float>& b,
                   const std::vector<float>& c, size_t n) {
  double worst = 0;
  for (size_t k = 0; k < 256; ++k) {  // a sample over the whole matrix
    const size_t i = k * 7919 % n, j = k * 104729 % n;
    double sum = 0;
    for (size_t x = 0; x < n; ++x) sum += static_cast<double>(a[i * n + x]) * b[x * n + j];
    worst = std::max(worst, std::fabs(sum - c[i * n + j]));
  }
  return worst;
}

struct Cards {
  std::vector<cl_device_id> devices;
  cl_context context = nullptr;
  std::vector<cl_command_queue> queues;

  Cards() {
    cl_platform_id platform = nullptr;
    cl_uint count = 0;
    cl_int code = CL_SUCCESS;
    check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count), "clGetDeviceIDs");
    devices.resize(count);
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr),
          "clGetDeviceIDs");
    context = clCreateContext(nullptr, count, devices.data(), nullptr, nullptr, &code);
    check(code, "clCreateContext");
    for (cl_device_id device : devices) {
      queues.push_back(clCreateCommandQueueWithProperties(context, device, nullptr, &code));
      check(code, "clCreateCommandQueueWithProperties");
    }
  }
  cl_mem buffer(size_t floats) const {
    cl_int code = CL_SUCCESS;
    cl_mem made = clCreateBuffer(context, CL_MEM_READ_WRITE, floats * 4, nullptr, &code);
    check(code, "clCreateBuffer");
    return made;
  }
  void finish() const {
    for (cl_command_queue queue : queues) check(clFinish(queue), "clFinish");
  }
};

}  // namespace

int main(int argc, char** argv) {
  const Cards cards;
  const size_t count = cards.devices.size();
  const size_t wish = argc > 1 ? static_cast<size_t>(std::atoi(argv[1])) : 768;
  const size_t n = wish / (4 * count) * (4 * count);
  const size_t rows = n / count, wide = n / (4 * count);  // B goes in thin stripes
  const auto a = matrix(n, 1), b = matrix(n, 2);
  std::vector<float> c(n * n);
  std::vector<cl_mem> as, cs;
  for (size_t i = 0; i < count; ++i) {
    as.push_back(cards.buffer(rows * n));
    cs.push_back(cards.buffer(rows * wide));
    check(clEnqueueWriteBuffer(cards.queues[i], as[i], CL_FALSE, 0, rows * n * 4,
                               a.data() + i * rows * n, 0, nullptr, nullptr),
          "clEnqueueWriteBuffer");
  }
  for (size_t stripe = 0; stripe < n / wide; ++stripe) {
    std::vector<float> columns(n * wide);
    for (size_t y = 0; y < n; ++y)
      std::copy_n(b.data() + y * n + stripe * wide, wide, columns.data() + y * wide);
    cl_mem bs = cards.buffer(n * wide);
    const size_t first = stripe % count;  // which the others have it from
    check(clEnqueueWriteBuffer(cards.queues[first], bs, CL_TRUE, 0, n * wide * 4, columns.data(), 0,
                               nullptr, nullptr),
          "clEnqueueWriteBuffer");
    std::vector<float> part(count * rows * wide);
    for (size_t i = 0; i < count; ++i) {
      cl_command_queue queue = cards.queues[i];
      check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, rows, wide,
                         n, 1.0f, as[i], 0, n, bs, 0, wide, 0.0f, cs[i], 0, wide, &queue, nullptr),
            "CLBlastSgemm");
      check(clEnqueueReadBuffer(queue, cs[i], CL_FALSE, 0, rows * wide * 4,
                                part.data() + i * rows * wide, 0, nullptr, nullptr),
            "clEnqueueReadBuffer");
    }
    cards.finish();
    for (size_t y = 0; y < n; ++y)
      std::copy_n(part.data() + y * wide, wide, c.data() + y * n + stripe * wide);
    clReleaseMemObject(bs);
  }
  const double error = worst_error(a, b, c, n);
  std::printf("%zu x %zu on %zu devices: worst error %.2e, %s\n", n, n, count, error,
              error < 1e-2 ? "right" : "wrong");
  for (size_t i = 0; i < count; ++i) {
    clReleaseMemObject(as[i]);
    clReleaseMemObject(cs[i]);
  }
  return error < 1e-2 ? 0 : 1;
}
