// Store: what a reflector keeps of the objects it has seen: the user's projection of each, by
// "namespace/name" (only the name for what is in no namespace). Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace flexai::kube {

struct KeyHash {
  using is_transparent = void;
  size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

template <typename T>
class Store {
 public:
  struct Entry {
    std::string resource_version;
    uint64_t uid = 0;     // hash of it
    uint64_t listed = 0;  // the list it was last seen in
    T value{};
  };
  using Map = std::unordered_map<std::string, Entry, KeyHash, std::equal_to<>>;

  const T* find(std::string_view key) const {
    auto it = entries_.find(key);
    return it == entries_.end() ? nullptr : &it->second.value;
  }
  size_t size() const { return entries_.size(); }
  typename Map::const_iterator begin() const { return entries_.begin(); }
  typename Map::const_iterator end() const { return entries_.end(); }

  Map& entries() { return entries_; }

 private:
  Map entries_;
};

inline std::string key_of(std::string_view ns, std::string_view name) {
  std::string key;
  key.reserve(ns.size() + 1 + name.size());
  if (!ns.empty()) (key += ns) += '/';
  return key += name;
}

}  // namespace flexai::kube
