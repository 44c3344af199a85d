// An ordinary OpenCL program that wants the card for a moment now and then: launches one short
// kernel every so often. Prints in JSON, in microseconds, for each launch:
//   start_us    from the request to its start on the device (its length subtracted from the time to
//               its end)
//   enqueue_us  what the enqueue call took
//   flexai-latency-opencl --loops N --count N --every-us U [--start NS]
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "test/load/card.h"

using namespace flexai::test;

namespace {

void print(const char* name, const std::vector<double>& values) {
  printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) printf("%s%.2f", i != 0 ? ", " : "", values[i]);
  printf("]");
}

}  // namespace

int main(int argc, char** argv) {
  int loops = 100, count = 100;
  long long every = 10000, start = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--loops") loops = atoi(argv[i + 1]);
    if (name == "--count") count = atoi(argv[i + 1]);
    if (name == "--every-us") every = atoll(argv[i + 1]);
    if (name == "--start") start = atoll(argv[i + 1]);
  }
  Card card = open_card(4096, true);
  std::vector<double> starts, enqueues;
  while (start != 0 && now() < start) usleep(200);
  for (int i = 0; i < count; ++i) {
    long long asked = now();
    cl_event event;
    launch(card, loops, &event);
    enqueues.push_back(static_cast<double>(now() - asked) / 1e3);
    check(clWaitForEvents(1, &event), "clWaitForEvents");
    long long ended = now();
    cl_ulong from = 0, to = 0;
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof from, &from, nullptr);
    clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof to, &to, nullptr);
    starts.push_back(static_cast<double>(ended - asked - static_cast<long long>(to - from)) / 1e3);
    clReleaseEvent(event);
    if (every > 0) usleep(static_cast<useconds_t>(every));
  }
  printf("{");
  print("start_us", starts);
  printf(", ");
  print("enqueue_us", enqueues);
  printf("}\n");
}
