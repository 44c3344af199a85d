// flexai-opencl-entries: exercises entry points that real programs seldom reach, against the plain
// OpenCL API, and prints a transcript. Run natively and inside a slice, the transcripts are equal.
//
// usage: flexai-opencl-entries [--platform TEXT] [--device N] [--list] [TOPIC...]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "test/e2e/opencl_entries/session.h"

namespace {

using namespace flexai::test;  // NOLINT

cl_platform_id find_platform(const std::string& text) {
  cl_platform_id platforms[16];
  cl_uint count = 0;
  if (clGetPlatformIDs(16, platforms, &count) != CL_SUCCESS) return nullptr;
  for (cl_uint i = 0; i < count && i < 16; ++i) {
    char name[256] = {};
    cl_uint devices = 0;
    clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof(name) - 1, name, nullptr);
    clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 0, nullptr, &devices);
    if (devices > 0 && std::string(name).find(text) != std::string::npos) return platforms[i];
  }
  return nullptr;
}

bool open(Session* session, const std::string& platform, unsigned index) {
  session->platform = find_platform(platform);
  cl_device_id devices[16];
  cl_uint count = 0;
  cl_int error = CL_SUCCESS;
  if (session->platform == nullptr ||
      clGetDeviceIDs(session->platform, CL_DEVICE_TYPE_ALL, 16, devices, &count) != CL_SUCCESS ||
      index >= count || index >= 16)
    return false;
  session->device = devices[index];
  const cl_context_properties properties[] = {
      CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(session->platform), 0};
  session->context = clCreateContext(properties, 1, &session->device, nullptr, nullptr, &error);
  // The old form: one of the drivers never returns from the new one.
  if (error == CL_SUCCESS)
    session->queue = clCreateCommandQueue(session->context, session->device, 0, &error);
  return error == CL_SUCCESS;
}

bool wanted(const std::vector<std::string>& names, const std::string& name) {
  for (const std::string& n : names)
    if (n == name) return true;
  return names.empty();
}

}  // namespace

int main(int argc, char** argv) {
  std::string platform;
  unsigned index = 0;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--platform" && i + 1 < argc) {
      platform = argv[++i];
    } else if (word == "--device" && i + 1 < argc) {
      index = static_cast<unsigned>(std::atoi(argv[++i]));
    } else if (word == "--list") {
      for (size_t t = 0; t < kTopicCount; ++t) std::puts(kTopics[t].name);
      return 0;
    } else {
      names.push_back(word);
    }
  }
  Session session;
  if (!open(&session, platform, index)) {
    std::fprintf(stderr, "flexai-opencl-entries: no such device\n");
    return 1;
  }
  for (size_t t = 0; t < kTopicCount; ++t) {
    if (!wanted(names, kTopics[t].name)) continue;
    set_topic(kTopics[t].name);
    kTopics[t].run(session);
    say("finish %s", error_name(clFinish(session.queue)).c_str());
  }
  clReleaseCommandQueue(session.queue);
  clReleaseContext(session.context);
  return 0;
}
