// ContentStore: a folder of things that can be made again, each kept under the digest of all that
// it was made from. Several processes may use one folder at once: an entry is written aside and
// renamed into place, so it is there whole or not at all, and what has gone bad on the disk is
// found by the digest of its bytes, removed and never handed out. When all entries together would
// exceed the bound, those that were not used for the longest time go.
//
// It trusts whoever may write the folder: tenants who must not trust each other have one each
// (agent/tenant_home.h). Nothing here is ever in the way: what fails is logged, the first time of
// each kind, and then the thing is made anew.
// Threads: any. Format: docs/formats/kept.md.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "wire/digest.h"

namespace flexai::remote {

class ContentStore {
 public:
  static constexpr size_t kMostEntry = 64u << 20;

  // The folder is made when it is not there. `most` bytes of all entries together.
  static base::Result<std::unique_ptr<ContentStore>> open(const std::string& folder, uint64_t most);

  // The bytes kept under `key`, or nothing. An entry that is damaged is removed.
  std::optional<std::vector<std::byte>> find(const wire::Digest& key);
  // kExhausted: larger than an entry may be, or no room on the disk.
  base::Status keep(const wire::Digest& key, wire::Bytes bytes);
  void drop(const wire::Digest& key);

 private:
  struct Entry;
  ContentStore(base::Fd folder, std::string path, uint64_t most);
  base::Result<std::vector<std::byte>> read(const std::string& name, const wire::Digest& key);
  base::Status write(const std::string& name, const std::string& aside, const wire::Digest& key,
                     wire::Bytes bytes);
  std::vector<Entry> entries();
  void make_room(uint64_t bytes);
  void complain(const std::string& what, const base::Error& why);

  const base::Fd folder_;
  const std::string path_;  // for messages
  const uint64_t most_;
  std::atomic<int64_t> known_{-1};  // bytes of all entries at the last look and of ours since
  std::atomic<bool> complained_{false};
};

}  // namespace flexai::remote
