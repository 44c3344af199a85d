// opencl-figures: what calls cost on the first OpenCL card that the program sees: medians, in
// microseconds (and megabytes a second), each with the round trips of one, as one line of JSON. Run
// natively and served, the difference is what the wire costs.
//
// usage: opencl-figures [--seconds S] [--launches N]
//   --seconds   for each figure
//   --launches  only: so many launches and a clFinish, in all
#include <CL/cl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

void need(cl_int code) {
  if (code == CL_SUCCESS) return;
  std::fprintf(stderr, "opencl-figures: error %d\n", code);
  std::exit(1);
}

struct Card {
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_program program = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem small = nullptr, large = nullptr;
};

constexpr size_t kLarge = 64u << 20;
double g_seconds = 0.5;
int g_launches = 0;

// Round trips so far, where FLEXAI_COUNTS says that somebody counts them; see
// docs/remote-semantics.md.
double round_trips() {
  const char* path = std::getenv("FLEXAI_COUNTS");
  std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "rb");
  if (file == nullptr) return 0;
  unsigned long long counts[3] = {};
  const bool read = std::fread(counts, sizeof counts, 1, file) == 1;
  std::fclose(file);
  return read ? static_cast<double>(counts[1] + counts[2]) : 0;
}

struct Figure {
  double median = 0, trips = 0;
};

// The median time of `round`, divided by the `each` things that it does.
template <typename Round>
Figure median(int each, const Round& round) {
  for (int i = 0; i < 3; ++i) round();
  const double trips = round_trips();
  std::vector<double> samples;
  const auto end = Clock::now() + std::chrono::duration<double>(g_seconds);
  for (auto now = Clock::now(); now < end || samples.size() < 3;) {
    round();
    const auto after = Clock::now();
    samples.push_back(std::chrono::duration<double, std::micro>(after - now).count() / each);
    now = after;
  }
  std::nth_element(samples.begin(), samples.begin() + static_cast<long>(samples.size() / 2),
                   samples.end());
  return {samples[samples.size() / 2],
          (round_trips() - trips) / (static_cast<double>(samples.size()) * each)};
}

Card open() {
  Card card;
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_int code = CL_SUCCESS;
  need(clGetPlatformIDs(1, &platform, nullptr));
  need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr));
  card.context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &code);
  card.queue = clCreateCommandQueueWithProperties(card.context, device, nullptr, &code);
  const char* source = "__kernel void add(__global uint* at) { at[get_global_id(0)] += 1; }";
  card.program = clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  need(clBuildProgram(card.program, 1, &device, nullptr, nullptr, nullptr));
  card.kernel = clCreateKernel(card.program, "add", &code);
  card.small = clCreateBuffer(card.context, CL_MEM_READ_WRITE, 4096, nullptr, &code);
  card.large = clCreateBuffer(card.context, CL_MEM_READ_WRITE, kLarge, nullptr, &code);
  need(code);
  need(clSetKernelArg(card.kernel, 0, sizeof card.small, &card.small));
  return card;
}

void launch(const Card& card) {
  const size_t global = 64;
  need(clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                              nullptr));
}

void step(const Card& card) {
  unsigned in[1024] = {}, out = 0;
  need(clEnqueueWriteBuffer(card.queue, card.small, CL_FALSE, 0, sizeof in, in, 0, nullptr,
                            nullptr));
  for (int i = 0; i < 8; ++i) launch(card);
  need(clEnqueueReadBuffer(card.queue, card.small, CL_TRUE, 0, sizeof out, &out, 0, nullptr,
                           nullptr));
  if (out != 8) need(CL_INVALID_VALUE);
}

void figures(const Card& card) {
  cl_int code = CL_SUCCESS;
  const Figure kernel = median(100, [&] {
    for (int i = 0; i < 100; ++i) clReleaseKernel(clCreateKernel(card.program, "add", &code));
  });
  const Figure buffer = median(100, [&] {
    for (int i = 0; i < 100; ++i)
      clReleaseMemObject(clCreateBuffer(card.context, CL_MEM_READ_WRITE, 4096, nullptr, &code));
  });
  need(clFinish(card.queue));
  const Figure queued = median(1000, [&] {
    for (int i = 0; i < 1000; ++i) launch(card);
    need(clFinish(card.queue));
  });
  const Figure finish = median(1, [&] {
    launch(card);
    need(clFinish(card.queue));
  });
  const Figure steps = median(1, [&] { step(card); });
  std::vector<char> bytes(kLarge, 1);
  const Figure write = median(1, [&] {
    need(clEnqueueWriteBuffer(card.queue, card.large, CL_TRUE, 0, kLarge, bytes.data(), 0, nullptr,
                              nullptr));
    need(clFinish(card.queue));
  });
  const Figure read = median(1, [&] {
    need(clEnqueueReadBuffer(card.queue, card.large, CL_TRUE, 0, kLarge, bytes.data(), 0, nullptr,
                             nullptr));
  });
  const struct {
    const char* name;
    double value, trips;
  } all[] = {{"kernel_us", kernel.median, kernel.trips},
             {"buffer_us", buffer.median, buffer.trips},
             {"queued_launch_us", queued.median, queued.trips},
             {"launch_finish_us", finish.median, finish.trips},
             {"step_us", steps.median, steps.trips},
             {"write_mb_s", kLarge / write.median, write.trips},
             {"read_mb_s", kLarge / read.median, read.trips}};
  std::printf("{");
  for (const auto& each : all)
    std::printf("%s\"%s\": [%.3f, %.3f]", &each == all ? "" : ", ", each.name, each.value,
                each.trips);
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--seconds") g_seconds = std::atof(argv[i + 1]);
    if (name == "--launches") g_launches = std::atoi(argv[i + 1]);
  }
  const Card card = open();
  if (g_launches == 0) {
    figures(card);
    return 0;
  }
  const Figure all = median(1, [&] {
    for (int i = 0; i < g_launches; ++i) launch(card);
    need(clFinish(card.queue));
  });
  std::printf("{\"launches_us\": [%.3f, %.3f]}\n", all.median, all.trips);
  return 0;
}
