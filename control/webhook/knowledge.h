// Knowledge: what of the cluster decides what is done to a new pod. Plain values, copied out of
// caches: a question is answered without asking the API server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace flexai::control::webhook {

struct Knowledge {
  using Asked = std::function<std::optional<bool>(const std::string& ns, const std::string& name)>;
  // Whether what they ask for is of our class; nullopt: no such one is known.
  Asked template_is_ours = [](const std::string&, const std::string&) { return std::nullopt; };
  Asked claim_is_ours = [](const std::string&, const std::string&) { return std::nullopt; };
  // Whether the namespace accepts the names of other products (alias.h).
  std::function<bool(const std::string& ns)> takes_aliases = [](const std::string&) {
    return false;
  };
  // Bytes of the smallest card whose model contains one of the words; 0: there is none.
  std::function<uint64_t(const std::vector<std::string>& words)> smallest_memory =
      [](const std::vector<std::string>&) { return 0; };
};

}  // namespace flexai::control::webhook
