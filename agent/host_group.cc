#include "agent/host_group.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/fd.h"

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;
using base::fail_errno;
using base::Fd;

constexpr size_t kLongest = 128;
constexpr const char* kMembers = "cgroup.procs";

bool is_group(const std::string& folder) {
  return ::access((folder + "/" + kMembers).c_str(), F_OK) == 0;
}

std::string text_of(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char bytes[4096];
  const ssize_t n = fd.valid() ? ::read(fd.get(), bytes, sizeof bytes) : -1;
  std::string text(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  return text.substr(0, text.find('\n'));
}

base::Status write_text(const std::string& path, const std::string& text) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid() ||
      ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno("writing " + path);
  return {};
}

// In version 1 nobody can be put into a group that has no processors or memory yet.
base::Status take_over(const std::string& parent, const std::string& folder) {
  for (const char* what : {"/cpuset.cpus", "/cpuset.mems"}) {
    if (::access((folder + what).c_str(), F_OK) != 0 || !text_of(folder + what).empty()) continue;
    if (const std::string given = text_of(parent + what); !given.empty())
      FLEXAI_TRY(write_text(folder + what, given));
  }
  return {};
}

base::Status make_all(const std::string& hierarchy, const std::string& name) {
  std::string parent = hierarchy;
  for (size_t at = 0; at != std::string::npos;) {
    const size_t next = name.find('/', at);
    const std::string folder = hierarchy + "/" + name.substr(0, next);
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
      return fail_errno("making control group " + folder);
    FLEXAI_TRY(take_over(parent, folder));
    parent = folder;
    at = next == std::string::npos ? next : next + 1;
  }
  return {};
}

}  // namespace

base::Status check_group_name(const std::string& name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '/';
  };
  const std::string around = "/" + name + "/";
  if (name.empty() || name.size() > kLongest || !std::all_of(name.begin(), name.end(), plain) ||
      around.find("//") != std::string::npos || around.find("/.") != std::string::npos)
    return fail(Code::kInvalid, "control group \"" + name.substr(0, kLongest) +
                                    "\": name one of the host without a leading slash, as flexai");
  return {};
}

std::vector<std::string> hierarchies(const std::string& top) {
  if (is_group(top)) return {top};
  std::vector<std::string> found;
  std::error_code error;
  for (auto it = fs::directory_iterator(top, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    // Links are second names: cpu and cpuacct of one hierarchy.
    if (!it->is_symlink(ignored) && it->is_directory(ignored) && is_group(it->path().string()))
      found.push_back(it->path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

base::Status join_group(const std::string& top, const std::string& name) {
  FLEXAI_TRY(check_group_name(name));
  const auto all = hierarchies(top);
  if (all.empty()) return fail(Code::kUnsupported, "no control groups in " + top);
  for (const std::string& hierarchy : all) {
    FLEXAI_TRY(make_all(hierarchy, name));
    FLEXAI_TRY(write_text(hierarchy + "/" + name + "/" + kMembers, "0"));
  }
  return {};
}

void drop_host_group(const std::string& top, const std::string& name) {
  if (!check_group_name(name).ok()) return;
  for (const std::string& hierarchy : hierarchies(top)) ::rmdir((hierarchy + "/" + name).c_str());
}

}  // namespace flexai::agent
