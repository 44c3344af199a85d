#include "agent/dra/image_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/dra/file.h"
#include "base/fd.h"
#include "model/json.h"

namespace flexai::agent::dra {
namespace {

using base::Code;
using base::fail;
using base::Fd;

#if defined(__aarch64__)
constexpr const char* kMusl = "lib/ld-musl-aarch64.so.1";
constexpr const char* kLoader = "lib/ld-linux-aarch64.so.1";
constexpr const char* kFolders[] = {"lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib64",
                                    "usr/lib64", "lib"};
#else
constexpr const char* kMusl = "lib/ld-musl-x86_64.so.1";
constexpr const char* kLoader = "lib64/ld-linux-x86-64.so.2";
constexpr const char* kFolders[] = {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64",
                                    "usr/lib64", "usr/lib"};
#endif
constexpr const char* kAdvice =
    "; take an image with glibc 2.28 or later (Debian 10, Ubuntu 20.04, RHEL 8), or leave the "
    "claim out of this container";

// Never out of `root`, and never what is behind a name: an image may hold anything.
Fd look_up(int root, const std::string& path, uint64_t more = 0) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | more;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

// The minor version of a libc.so.6 that is a link to libc-2.N.so, as all were before 2.34; else 0.
int version_of(int root, const std::string& folder) {
  const Fd link = look_up(root, folder + "/libc.so.6", O_NOFOLLOW);
  if (!link.valid()) return 0;
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(link.get(), "", text, sizeof text - 1);
  if (size <= 0) return 0;
  std::string name(text, static_cast<size_t>(size));
  name = name.substr(name.rfind('/') + 1);
  const std::string before = "libc-2.";
  return name.starts_with(before) ? ::atoi(name.c_str() + before.size()) : 0;
}

}  // namespace

base::Result<std::string> container_root(std::string_view state) {
  FLEXAI_TRY_ASSIGN(const auto told, model::parse_json(state));
  if (!told.is_object() || !told.contains("bundle") || !told["bundle"].is_string())
    return fail(Code::kCorrupt, "the container's state names no bundle");
  const std::string bundle = told["bundle"];
  FLEXAI_TRY_ASSIGN(const std::string text, read_file(bundle + "/config.json"));
  FLEXAI_TRY_ASSIGN(const auto config, model::parse_json(text));
  if (!config.is_object() || !config.contains("root") || !config["root"].is_object() ||
      !config["root"].contains("path") || !config["root"]["path"].is_string())
    return fail(Code::kCorrupt, bundle + "/config.json names no root");
  const std::string root = config["root"]["path"];
  return root.starts_with("/") ? root : bundle + "/" + root;
}

base::Status check_image(const std::string& root) {
  const Fd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return base::fail_errno("opening " + root);
  for (const char* place : kFolders) {
    if (!look_up(folder.get(), std::string(place) + "/libc.so.6").valid()) continue;
    const int version = version_of(folder.get(), place);
    if (version == 0 || version >= kOldestGlibc) return {};
    return fail(Code::kUnsupported, "ImageUnfit: the image's C library is glibc 2." +
                                        std::to_string(version) + " (/" + place +
                                        "/libc.so.6), too old for Flexai's library" + kAdvice);
  }
  if (look_up(folder.get(), kLoader).valid() || !look_up(folder.get(), kMusl).valid()) return {};
  return fail(Code::kUnsupported, std::string("ImageUnfit: the image's C library is musl (/") +
                                      kMusl + "), which cannot load Flexai's library" + kAdvice);
}

}  // namespace flexai::agent::dra
