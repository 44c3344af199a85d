// flexai-probe-opencl: what one OpenCL driver offers, as JSON on stdout. The agent runs it once for
// each .icd file, so that a driver that crashes or hangs takes nothing else down.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apps/probe_opencl.h"
#include "driver/opencl/vendor.h"
#include "model/json.h"

namespace {

constexpr const char* kUsage =
    "usage: flexai-probe-opencl --list | --icd PATH\n"
    "  --list      print the .icd files of this host\n"
    "  --icd PATH  load the driver it names and print its cards\n";

bool print(int out, const nlohmann::json& json) {
  // Names come from the driver and may be no UTF-8.
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(out, text.data() + done, text.size() - done);
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

int probe(const std::string& icd_file) {
  // Drivers may print: what they say goes to stderr, stdout holds only JSON.
  const int out = dup(STDOUT_FILENO);
  if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 1;
  const auto devices = flexai::apps::probe_opencl(icd_file);
  if (!devices) {
    std::fprintf(stderr, "flexai-probe-opencl: %s\n", devices.error().message.c_str());
    return 1;
  }
  auto json = nlohmann::json::array();
  for (const auto& device : *devices) json.push_back(flexai::model::to_json(device));
  // No exit handlers: some drivers' crash.
  _exit(print(out, json) ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc > 1 ? argv[1] : "";
  if (option == "--list" && argc == 2)
    return print(STDOUT_FILENO, flexai::driver::opencl::icd_files()) ? 0 : 1;
  if (option == "--icd" && argc == 3) return probe(argv[2]);
  if (option == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  std::fputs(kUsage, stderr);
  return 2;
}
