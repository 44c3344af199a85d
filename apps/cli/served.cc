#include "apps/cli/served.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "apps/installation.h"
#include "base/fd.h"

namespace flexai::apps {

using base::Code;
using base::fail;
using base::Fd;

namespace {

// What the door prints when it is open; empty when it did not.
std::string first_line(int fd) {
  std::string line;
  char byte = 0;
  while (line.size() < 512 && ::read(fd, &byte, 1) == 1 && byte != '\n') line += byte;
  return line;
}

}  // namespace

base::Result<ServedRun> ServedRun::begin() {
  const Installation here = find_installation();
  const std::string worker = here.program("flexai-worker");
  const std::string icd = here.lib + "/libflexai_opencl.so";
  if (::access(worker.c_str(), X_OK) != 0 || ::access(icd.c_str(), R_OK) != 0)
    return fail(Code::kUnavailable,
                "this installation has no " + worker + " or no " + icd + "; reinstall Flexai");
  std::string folder = (std::filesystem::temp_directory_path() / "flexai-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return base::fail_errno("a folder for " + folder);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail_errno("pipe");
  const Fd output(ends[0]);
  Fd input(ends[1]);
  const pid_t door = ::fork();
  if (door < 0) return base::fail_errno("fork");
  if (door == 0) {
    ::dup2(input.get(), STDOUT_FILENO);
    ::execl(worker.c_str(), worker.c_str(), "--door", folder.c_str(), nullptr);
    ::_exit(127);
  }
  input.reset();
  ServedRun run(folder, door);
  const std::string endpoint = first_line(output.get());
  if (endpoint.empty()) return fail(Code::kUnavailable, worker + " did not open its door");
  // The program's own: nothing of the slice, no driver, no layer.
  for (const char* name : {"FLEXAI_ATTACH", "FLEXAI_GRANT", "OPENCL_LAYERS"}) ::unsetenv(name);
  ::setenv("OCL_ICD_VENDORS", icd.c_str(), 1);
  ::setenv("OCL_ICD_FILENAMES", icd.c_str(), 1);
  ::setenv("FLEXAI_WORKER", endpoint.c_str(), 1);
  return run;
}

ServedRun::ServedRun(ServedRun&& other) noexcept
    : folder_(std::move(other.folder_)), door_(std::exchange(other.door_, 0)) {}

ServedRun::~ServedRun() {
  if (door_ == 0) return;
  ::kill(door_, SIGTERM);
  ::waitpid(door_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace flexai::apps
