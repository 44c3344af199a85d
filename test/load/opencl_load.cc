// An ordinary OpenCL program that does known work and says when it was done: the tenant of benches
// and end-to-end tests. It knows nothing of Flexai.
//
//   flexai-load-opencl --loops N[,N...] [--groups G] [--depth D] [--mode queued|sync|buffer]
//       [--seconds S] [--start NS] [--pause AT:FOR] [--turn MS:I:N] [--trace FILE]
//       [--calibrate US]
//
// Work of a kernel is `loops` (they are taken in turn); a line "t_ns work" goes to FILE for every
// completed kernel (CLOCK_MONOTONIC), and a summary in JSON to stdout. --turn: works only in every
// N-th stretch of MS milliseconds since --start, the I-th of them, so that several programs can be
// compared on a machine that drifts. --calibrate prints how many loops make a kernel of US
// microseconds.
#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "test/load/card.h"

using namespace flexai::test;

namespace {

struct Options {
  std::vector<int> loops{1000};
  size_t groups = 64;
  size_t depth = 4;
  std::string mode = "queued", trace;
  double seconds = 1;
  long long start = 0, pause_at = -1, pause_for = 0;
  long long turn = 0, turn_index = 0, turn_count = 1;
  double calibrate_us = 0;
};

void calibrate(const Card& card, const Options& o) {
  int loops = 1000;
  double best = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      long long t = now();
      for (int k = 0; k < 8; ++k) launch(card, loops, nullptr);
      check(clFinish(card.queue), "clFinish");
      times.push_back(static_cast<double>(now() - t) / 8e3);
    }
    std::sort(times.begin(), times.end());
    best = times[times.size() / 2];
    if (best > o.calibrate_us * 0.95 && best < o.calibrate_us * 1.05) break;
    loops = std::max(1, static_cast<int>(loops * std::clamp(o.calibrate_us / best, 0.1, 10.0)));
  }
  printf("{\"loops\": %d, \"us\": %.1f}\n", loops, best);
}

using CreateBuffer = cl_command_buffer_khr (*)(cl_uint, const cl_command_queue*,
                                               const cl_command_buffer_properties_khr*, cl_int*);
using FinalizeBuffer = cl_int (*)(cl_command_buffer_khr);
using RecordKernel = cl_int (*)(cl_command_buffer_khr, cl_command_queue,
                                const cl_ndrange_kernel_command_properties_khr*, cl_kernel, cl_uint,
                                const size_t*, const size_t*, const size_t*, cl_uint,
                                const cl_sync_point_khr*, cl_sync_point_khr*,
                                cl_mutable_command_khr*);
using EnqueueBuffer = cl_int (*)(cl_uint, cl_command_queue*, cl_command_buffer_khr, cl_uint,
                                 const cl_event*, cl_event*);

struct Recorded {
  cl_command_buffer_khr buffer = nullptr;
  EnqueueBuffer enqueue = nullptr;
};

Recorded record(const Card& card, int loops) {
  cl_platform_id platform;
  clGetDeviceInfo(card.id, CL_DEVICE_PLATFORM, sizeof platform, &platform, nullptr);
  auto find = [&](const char* name) {
    return clGetExtensionFunctionAddressForPlatform(platform, name);
  };
  auto create = reinterpret_cast<CreateBuffer>(find("clCreateCommandBufferKHR"));
  auto record_kernel = reinterpret_cast<RecordKernel>(find("clCommandNDRangeKernelKHR"));
  auto finalize = reinterpret_cast<FinalizeBuffer>(find("clFinalizeCommandBufferKHR"));
  Recorded r;
  r.enqueue = reinterpret_cast<EnqueueBuffer>(find("clEnqueueCommandBufferKHR"));
  check(create && record_kernel && finalize && r.enqueue ? CL_SUCCESS : CL_INVALID_OPERATION,
        "no cl_khr_command_buffer");
  cl_int rc;
  r.buffer = create(1, &card.queue, nullptr, &rc);
  check(rc, "clCreateCommandBufferKHR");
  size_t local = 64;
  cl_sync_point_khr last = 0;
  for (int i = 0; i < 4; ++i) {  // four kernels of a quarter of the work
    int part = loops / 4;
    check(clSetKernelArg(card.kernel, 1, sizeof part, &part), "clSetKernelArg");
    check(record_kernel(r.buffer, nullptr, nullptr, card.kernel, 1, nullptr, &card.items, &local,
                        i != 0 ? 1 : 0, i != 0 ? &last : nullptr, &last, nullptr),
          "clCommandNDRangeKernelKHR");
  }
  check(finalize(r.buffer), "clFinalizeCommandBufferKHR");
  return r;
}

using Flight = std::deque<std::pair<cl_event, int>>;
using Done = std::vector<std::pair<long long, int>>;

void finish_first(Flight* flight, Done* done) {
  check(clWaitForEvents(1, &flight->front().first), "clWaitForEvents");
  done->emplace_back(now(), flight->front().second);
  clReleaseEvent(flight->front().first);
  flight->pop_front();
}

void finish_all(const Card& card, Flight* flight, Done* done) {
  check(clFinish(card.queue), "clFinish");
  while (!flight->empty()) finish_first(flight, done);
}

void run(const Card& card, const Options& o) {
  Done done;
  done.reserve(1 << 20);
  std::vector<Recorded> recorded;
  if (o.mode == "buffer")
    for (int loops : o.loops) recorded.push_back(record(card, loops));
  while (o.start != 0 && now() < o.start) usleep(200);
  long long begin = now(), end = begin + static_cast<long long>(o.seconds * 1e9);
  if (o.start != 0) end = o.start + static_cast<long long>(o.seconds * 1e9);
  Flight flight;
  bool paused = o.pause_at < 0;
  for (size_t i = 0; now() < end; ++i) {
    if (!paused && now() - begin > o.pause_at) {
      paused = true;
      clFinish(card.queue);
      usleep(static_cast<useconds_t>(o.pause_for / 1000));
    }
    if (o.turn != 0 && (now() - o.start) / o.turn % o.turn_count != o.turn_index) {
      finish_all(card, &flight, &done);
      while (now() < end && (now() - o.start) / o.turn % o.turn_count != o.turn_index) usleep(200);
      continue;
    }
    int loops = o.loops[i % o.loops.size()];
    cl_event event;
    if (o.mode == "buffer") {
      Recorded& r = recorded[i % recorded.size()];
      check(r.enqueue(0, nullptr, r.buffer, 0, nullptr, &event), "clEnqueueCommandBufferKHR");
    } else {
      launch(card, loops, &event);
    }
    flight.emplace_back(event, loops);
    clFlush(card.queue);
    size_t keep = o.mode == "queued" ? o.depth : 0;
    while (flight.size() > keep) finish_first(&flight, &done);
  }
  check(clFinish(card.queue), "clFinish");
  long long work = 0;
  for (auto& [t, w] : done) work += w;
  printf("{\"launches\": %zu, \"work\": %lld, \"begin_ns\": %lld, \"end_ns\": %lld}\n", done.size(),
         work, begin, now());
  if (o.trace.empty()) return;
  FILE* f = fopen(o.trace.c_str(), "w");
  check(f == nullptr ? CL_INVALID_VALUE : CL_SUCCESS, "trace file");
  for (auto& [t, w] : done) fprintf(f, "%lld %d\n", t, w);
  fclose(f);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i], value = argv[i + 1];
    if (name == "--loops") {
      o.loops.clear();
      for (size_t at = 0; at < value.size();) {
        size_t comma = std::min(value.find(',', at), value.size());
        o.loops.push_back(atoi(value.substr(at, comma - at).c_str()));
        at = comma + 1;
      }
    } else if (name == "--groups")
      o.groups = static_cast<size_t>(atoi(value.c_str()));
    else if (name == "--depth")
      o.depth = static_cast<size_t>(atoi(value.c_str()));
    else if (name == "--mode")
      o.mode = value;
    else if (name == "--seconds")
      o.seconds = atof(value.c_str());
    else if (name == "--start")
      o.start = atoll(value.c_str());
    else if (name == "--trace")
      o.trace = value;
    else if (name == "--calibrate")
      o.calibrate_us = atof(value.c_str());
    else if (name == "--pause") {
      o.pause_at = atoll(value.c_str()) * 1000000;
      o.pause_for = atoll(value.c_str() + value.find(':') + 1) * 1000000;
    } else if (name == "--turn") {
      if (sscanf(value.c_str(), "%lld:%lld:%lld", &o.turn, &o.turn_index, &o.turn_count) != 3 ||
          o.turn <= 0 || o.turn_count <= 0 || o.start == 0) {
        fprintf(stderr, "--turn wants MS:INDEX:COUNT after --start\n");
        exit(2);
      }
      o.turn *= 1000000;
    } else {
      fprintf(stderr, "unknown option %s\n", name.c_str());
      exit(2);
    }
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  Options o = parse(argc, argv);
  Card card = open_card(o.groups * 64, false);
  if (o.calibrate_us > 0) {
    calibrate(card, o);
  } else {
    run(card, o);
  }
}
