// An ordinary OpenCL program: computes pi on the first device it finds, again and again, and says
// every second how often. It knows nothing of Flexai.
//
//   flexai-example-pi [SECONDS]
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vector>

namespace {

constexpr const char* kSource = R"(
kernel void part(global float* out, int steps) {
  const int i = get_global_id(0), n = get_global_size(0);
  const float width = 1.0f / (float)n / (float)steps;
  float sum = 0;
  for (int k = 0; k < steps; ++k) {
    const float x = ((float)i * (float)steps + (float)k + 0.5f) * width;
    sum += 4.0f / (1.0f + x * x);
  }
  out[i] = sum * width;
}
)";
constexpr size_t kItems = 4096;
constexpr cl_int kSteps = 256;

void check(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  fprintf(stderr, "%s: OpenCL error %d\n", what, code);
  exit(1);
}

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Card {
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem out = nullptr;
};

Card open_card() {
  Card card;
  cl_platform_id platform = nullptr;
  check(clGetPlatformIDs(1, &platform, nullptr), "looking for a platform");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &card.device, nullptr),
        "looking for a device");
  cl_int code = CL_SUCCESS;
  card.context = clCreateContext(nullptr, 1, &card.device, nullptr, nullptr, &code);
  check(code, "making a context");
  card.queue = clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  check(code, "making a queue");
  const char* source = kSource;
  cl_program program = clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  check(code, "making a program");
  check(clBuildProgram(program, 1, &card.device, "", nullptr, nullptr), "building the program");
  card.kernel = clCreateKernel(program, "part", &code);
  check(code, "making a kernel");
  card.out =
      clCreateBuffer(card.context, CL_MEM_WRITE_ONLY, kItems * sizeof(float), nullptr, &code);
  check(code, "making a buffer");
  check(clSetKernelArg(card.kernel, 0, sizeof card.out, &card.out), "setting an argument");
  check(clSetKernelArg(card.kernel, 1, sizeof kSteps, &kSteps), "setting an argument");
  return card;
}

double pi_on(const Card& card, std::vector<float>* parts) {
  check(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &kItems, nullptr, 0, nullptr,
                               nullptr),
        "launching");
  check(clEnqueueReadBuffer(card.queue, card.out, CL_TRUE, 0, kItems * sizeof(float), parts->data(),
                            0, nullptr, nullptr),
        "reading");
  double sum = 0;
  for (const float part : *parts) sum += static_cast<double>(part);
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const double wanted = argc > 1 ? atof(argv[1]) : 10;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const Card card = open_card();
  char name[256] = "";
  cl_ulong memory = 0;
  clGetDeviceInfo(card.device, CL_DEVICE_NAME, sizeof name - 1, name, nullptr);
  clGetDeviceInfo(card.device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, nullptr);
  printf("%s, %llu MiB\n", name, static_cast<unsigned long long>(memory >> 20));
  std::vector<float> parts(kItems);
  const double begin = seconds();
  double told = begin, pi = 0;
  for (long count = 0; seconds() - begin < wanted;) {
    pi = pi_on(card, &parts);
    ++count;
    if (const double now = seconds(); now - told >= 1) {
      printf("pi is %.5f, %.0f times a second\n", pi, static_cast<double>(count) / (now - told));
      told = now;
      count = 0;
    }
  }
  const bool right = pi > 3.1415 && pi < 3.1417;
  printf("%s: %.5f\n", right ? "done" : "wrong", pi);
  return right ? 0 : 1;
}
