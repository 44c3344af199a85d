// flexai-opencl-sweep: calls every entry of OpenCL with right and with wrong arguments and prints
// what came of it. For each case: "case NUMBER NAME", then its lines, then "end". A case that the
// driver does not survive ends the program; who runs it goes on behind that one.
//
// usage: flexai-opencl-sweep --platform NAME [--from N] [--native] [--skip FILE]
//                            [--patience SECONDS] [ENTRY...]
//   --native  calls that no driver survives are not made: what is expected of them is printed
//   --skip      cases that match one of the shell patterns in the file, one a line, are not made
//   --patience  a call that has not returned by then never will: ends the program by SIGALRM
//   ENTRY     these entries alone
#include <CL/cl_icd.h>
#include <fnmatch.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "test/e2e/opencl_entries/session.h"
#include "test/e2e/opencl_sweep/sweep.h"

namespace {

using namespace flexai;  // NOLINT: a program of its own
using test::Bench;

constexpr int kLost = 9;  // exit code: the card is gone

struct Options {
  std::string platform;
  size_t from = 0;
  bool native = false;
  unsigned patience = 20;
  std::vector<std::string> skip;
  std::set<std::string> entries;
};

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--native") {
      options.native = true;
    } else if (word == "--platform") {
      options.platform = value, ++i;
    } else if (word == "--from") {
      options.from = std::strtoul(value, nullptr, 10), ++i;
    } else if (word == "--patience") {
      options.patience = static_cast<unsigned>(std::atoi(value)), ++i;
    } else if (word == "--skip") {
      std::ifstream file(value);
      for (std::string line; std::getline(file, line);) options.skip.push_back(line);
      ++i;
    } else {
      options.entries.insert(word);
    }
  }
  return options;
}

bool is_skipped(const Options& options, const std::string& name) {
  for (const std::string& pattern : options.skip)
    if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
  return false;
}

cl_platform_id find_platform(const std::string& wanted) {
  cl_platform_id all[16] = {};
  cl_uint count = 0;
  if (clGetPlatformIDs(16, all, &count) != CL_SUCCESS) return nullptr;
  for (cl_uint i = 0; i < count && i < 16; ++i) {
    char name[128] = {};
    clGetPlatformInfo(all[i], CL_PLATFORM_NAME, sizeof name - 1, name, nullptr);
    if (std::string(name).find(wanted) != std::string::npos) return all[i];
  }
  return nullptr;
}

// Straight to the driver, past the loader: what the loader refuses itself would not be compared.
driver::opencl::Table table_of(cl_platform_id platform) {
  const cl_icd_dispatch* dispatch = *reinterpret_cast<const cl_icd_dispatch* const*>(platform);
  auto table =
      driver::opencl::table_from_dispatch(dispatch, driver::opencl::dispatch_entries(3, 0));
  driver::opencl::load_extensions(&table, platform);
  return table;
}

// False: the card is gone.
bool run(Bench& bench, const test::Entry& entry, size_t which, const Options& options) {
  const test::Case& each = entry.cases[which];
  ::alarm(options.patience);
  if (options.native && each.expected != CL_SUCCESS) {
    bench.say("expected %s", test::error_name(each.expected).c_str());
  } else {
    entry.call(bench, which);
  }
  const bool there = bench.close();
  ::alarm(0);
  std::puts(there ? "end" : "lost");
  std::fflush(stdout);
  return there;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  const cl_platform_id platform = find_platform(options.platform);
  cl_device_id device = nullptr;
  if (platform == nullptr ||
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr) != CL_SUCCESS) {
    std::fprintf(stderr, "flexai-opencl-sweep: no card\n");
    return 1;
  }
  std::setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
  Bench bench(table_of(platform), platform, device);
  size_t number = 0;
  for (size_t e = 0; e < test::kEntryCount; ++e) {
    const test::Entry& entry = test::kEntries[e];
    for (size_t c = 0; c < entry.count; ++c, ++number) {
      const std::string name = std::string(entry.name) + "/" + entry.cases[c].name;
      if (number < options.from || is_skipped(options, name)) continue;
      if (!options.entries.empty() && options.entries.count(entry.name) == 0) continue;
      std::printf("case %zu %s\n", number, name.c_str());
      std::fflush(stdout);
      if (!run(bench, entry, c, options)) return kLost;
    }
  }
  std::puts("all");
  return 0;
}
