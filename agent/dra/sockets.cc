#include "agent/dra/sockets.h"

#include <unistd.h>

#include <filesystem>

#include "base/clock.h"

namespace flexai::agent::dra {
namespace {

void remove_named(const std::string& folder, const std::string& prefix, const std::string& suffix,
                  const std::string& but) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix) && entry.path() != but)
      ::unlink(entry.path().c_str());
  }
}

}  // namespace

Sockets fresh_sockets(const std::string& registry, const std::string& plugins,
                      const std::string& driver) {
  const std::string mark =
      std::to_string(::getpid()) + "-" + std::to_string(base::monotonic_now() / base::kMicrosecond);
  return {registry + "/" + driver + "-" + mark + "-reg.sock",
          plugins + "/" + driver + "/dra-" + mark + ".sock"};
}

void remove_sockets(const std::string& registry, const std::string& plugins,
                    const std::string& driver, const Sockets& but) {
  remove_named(registry, driver + "-", "-reg.sock", but.registry);
  remove_named(plugins + "/" + driver, "dra", ".sock", but.endpoint);
}

}  // namespace flexai::agent::dra
