// What a hostile program does with OpenCL itself, through our own client.
#include <CL/cl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "test/e2e/remote/hostile.h"

namespace flexai::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Card {
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_kernel kernel = nullptr;
  cl_mem memory = nullptr;
};

bool open(Card& card) {
  cl_platform_id platform = nullptr;
  if (clGetPlatformIDs(1, &platform, nullptr) != CL_SUCCESS ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &card.device, nullptr) != CL_SUCCESS)
    return false;
  cl_int code = CL_SUCCESS;
  card.context = clCreateContext(nullptr, 1, &card.device, nullptr, nullptr, &code);
  card.queue = clCreateCommandQueueWithProperties(card.context, card.device, nullptr, &code);
  const char* source = "__kernel void add(__global uint* at) { at[get_global_id(0)] += 1; }";
  cl_program program = clCreateProgramWithSource(card.context, 1, &source, nullptr, &code);
  if (clBuildProgram(program, 1, &card.device, nullptr, nullptr, nullptr) != CL_SUCCESS)
    return false;
  card.kernel = clCreateKernel(program, "add", &code);
  card.memory = clCreateBuffer(card.context, CL_MEM_READ_WRITE, 4096, nullptr, &code);
  return clSetKernelArg(card.kernel, 0, sizeof card.memory, &card.memory) == CL_SUCCESS;
}

bool work(const Card& card) {
  const size_t global = 64;
  unsigned out[64];
  return clEnqueueNDRangeKernel(card.queue, card.kernel, 1, nullptr, &global, nullptr, 0, nullptr,
                                nullptr) == CL_SUCCESS &&
         clEnqueueReadBuffer(card.queue, card.memory, CL_TRUE, 0, sizeof out, out, 0, nullptr,
                             nullptr) == CL_SUCCESS;
}

// The first page of each piece of memory that the process shares with its worker.
std::vector<volatile uint64_t*> shared_pages() {
  std::vector<volatile uint64_t*> pages;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("flexai-wire") == std::string::npos) continue;
    pages.push_back(reinterpret_cast<volatile uint64_t*>(std::stoull(line, nullptr, 16)));
  }
  return pages;
}

}  // namespace

int objects(Hostility&) {
  Card card;
  if (!open(card)) return 1;
  constexpr int kMany = 1'200'000;
  int made = 0;
  cl_int code = CL_SUCCESS;
  for (; made < kMany; ++made) {
    // Buffers are made without asking, and so are kernels; user events fill the books as well.
    if (made % 3 == 0)
      clCreateBuffer(card.context, CL_MEM_READ_WRITE, 4, nullptr, &code);
    else if (made % 3 == 1)
      clCreateUserEvent(card.context, &code);
    else
      clCreateBuffer(card.context, CL_MEM_READ_ONLY, 8, nullptr, &code);
    if (code != CL_SUCCESS) break;
  }
  const cl_int finished = clFinish(card.queue);
  std::printf("%d objects, then %d; clFinish %d\n", made, code, finished);
  return 0;
}

int words(Hostility& how) {
  Card card;
  if (!open(card) || !work(card)) return 1;
  const auto pages = shared_pages();
  std::atomic<bool> over{false};
  std::thread writer([&] {
    while (!over) {
      for (volatile uint64_t* page : pages) {
        const size_t at = how.upto(63);  // 512 bytes of words
        const uint64_t before = page[at];
        switch (how.upto(3)) {
          case 0:
            page[at] = how.chance();
            break;
          case 1:
            page[at] = before + (uint64_t{1} << how.upto(63));
            break;
          case 2:
            page[at] = before ^ (uint64_t{1} << how.upto(63));
            break;
          default:
            page[at] = UINT64_MAX;
        }
        // Mostly put back at once, so that both ends go on for a while.
        if (how.upto(15) != 0) page[at] = before;
      }
    }
  });
  const auto end = Clock::now() + std::chrono::duration<double>(how.seconds);
  int works = 0;
  // A call may wait for ever now: who runs this ends it.
  while (Clock::now() < end && work(card)) ++works;
  over = true;
  writer.join();
  std::printf("%zu pages, %d works\n", pages.size(), works);
  std::fflush(stdout);
  ::_exit(0);
}

}  // namespace flexai::test
