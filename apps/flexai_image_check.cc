// flexai-image-check: says before a container starts whether its image can load our library
// (agent/dra/image_check.h). Container runtimes run it as a hook, with the container's state on
// standard input; people with a folder: flexai-image-check ROOT. Linked statically: it runs on any
// node. Exit code 1: it cannot; the line on standard error becomes an event of the pod.
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "agent/dra/image_check.h"

namespace {

// It looks at names in a stranger's files, and needs no right but to see them.
void give_up_rights() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights[2] = {};
  rights[0].effective = rights[0].permitted = 1u << CAP_DAC_READ_SEARCH;
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::syscall(SYS_capset, &head, rights);
}

std::string standard_input() {
  constexpr size_t kMost = 1 << 20;
  std::string text;
  char bytes[16384];
  ssize_t n;
  while (text.size() < kMost && (n = ::read(0, bytes, sizeof bytes)) > 0)
    text.append(bytes, static_cast<size_t>(n));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace flexai::agent::dra;
  give_up_rights();
  const auto root =
      argc > 1 ? flexai::base::Result<std::string>(argv[1]) : container_root(standard_input());
  const auto fit = root.ok() ? check_image(*root) : flexai::base::Status(root.error());
  if (fit.ok()) return 0;
  ::dprintf(2, "flexai: %s\n", fit.error().message.c_str());
  // What could not be looked at is no reason to keep a pod from starting.
  return fit.error().code == flexai::base::Code::kUnsupported ? 1 : 0;
}
