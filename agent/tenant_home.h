// TenantHomes: a folder for each tenant, in which its workers keep what is dear to make: programs
// that were built, and whatever drivers keep where HOME and XDG_CACHE_HOME say. A worker is driven
// by its tenant, so what lies there may be anything; no tenant gets at another's. A worker gets its
// folder as a descriptor: the folder above is the agent's alone, and a worker that could pass
// there all the same is kept from it (remote/apart.h).
//
// No folder grows without end: when a session has ended, one that holds more than `most` is put
// aside, and the next session finds an empty one. What was put aside is deleted when no session of
// the tenant is left; a folder that nobody has used for a month, at the start.
//
// Threads: any. Measuring and deleting happen on a thread of its own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"

namespace flexai::agent {

// Of this host's user, or of another host: a name for files.
base::Result<std::string> tenant_name(uint32_t uid, const std::string& host);

class TenantHomes : public std::enable_shared_from_this<TenantHomes> {
 public:
  // `user` is whose the folders are; empty: ours.
  TenantHomes(std::string folder, std::string user, uint64_t most);

  // Makes the folder; deletes what nobody needs any more but the tenants counted so far.
  base::Status open();
  // Counts a session. kExhausted: the disk is as good as full; nothing was counted.
  base::Result<base::Fd> enter(const std::string& tenant);
  // One that goes on from before this agent.
  void count(const std::string& tenant);
  // A session has ended.
  void leave(const std::string& tenant);

  // For one session where enter() has no room: an empty folder at `path`, to be given back.
  base::Result<base::Fd> make_throw_away(const std::string& path);
  void drop_throw_away(const std::string& path);

  const std::string& folder() const { return folder_; }

 private:
  base::Result<base::Fd> make(const std::string& path);
  void tidy(const std::string& tenant);

  const std::string folder_, user_;
  const uint64_t most_;
  base::Mutex mutex_;
  std::map<std::string, int> sessions_ FLEXAI_GUARDED_BY(mutex_);
  uint64_t aside_ FLEXAI_GUARDED_BY(mutex_) = 0;  // number of the next
};

}  // namespace flexai::agent
