#include "apps/installation.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

namespace flexai::apps {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

std::string Installation::program(const std::string& name) const {
  std::string path = libexec + "/" + name;
  return exists(path) ? path : bin + "/" + name;
}

Installation find_installation() {
  char buffer[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", buffer, sizeof buffer - 1);
  std::string self(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  Installation here;
  here.bin = self.substr(0, self.rfind('/'));
  std::string prefix = here.bin.substr(0, here.bin.rfind('/'));
  // A program that lies in libexec/flexai itself is one folder deeper.
  if (prefix.size() > 8 && prefix.substr(prefix.size() - 8) == "/libexec")
    prefix = prefix.substr(0, prefix.size() - 8);
  here.libexec = prefix + "/libexec/flexai";
  here.lib = exists(prefix + "/lib/flexai") ? prefix + "/lib/flexai" : prefix + "/lib";
  here.needed = prefix + "/lib/needed";
  here.share = prefix + "/share/flexai";
  return here;
}

std::string default_pki() {
  if (const char* given = ::getenv("FLEXAI_PKI"); given != nullptr && *given != 0) return given;
  const std::string system = "/etc/flexai/pki";
  const char* config = ::getenv("XDG_CONFIG_HOME");
  const char* home = ::getenv("HOME");
  const std::string own = config != nullptr && *config == '/' ? std::string(config) + "/flexai/pki"
                          : home != nullptr ? std::string(home) + "/.config/flexai/pki"
                                            : system;
  return ::access((system + "/host.key").c_str(), R_OK) == 0 || !exists(own) ? system : own;
}

}  // namespace flexai::apps
