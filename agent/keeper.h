// Keeper: a tiny process of its own (flexai-keeper) that holds named descriptors, so that slices'
// memory accounts and card locks survive the death of the agent. This is both sides of it.
//
// Protocol, version 1: SOCK_SEQPACKET unix socket `keeper.sock` (0600) in the agent's state folder;
// peers of another uid are turned away (SO_PEERCRED). One KeeperRequest, one KeeperReply, in order;
// put carries one descriptor in, get one out (SCM_RIGHTS). list answers in pages of names.
// The keeper exits by itself when it holds nothing and nobody has been connected for 10 s.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace flexai::agent {

inline constexpr uint32_t kKeeperMagic = 0x46584b31;  // "FXK1"
inline constexpr uint32_t kKeeperMaxName = 127;
inline constexpr uint32_t kKeeperMaxHeld = 4096;
inline constexpr const char* kKeeperSocket = "keeper.sock";

enum class KeeperOp : uint32_t { kPut = 1, kGet = 2, kList = 3, kDrop = 4 };

struct KeeperRequest {
  uint32_t magic;
  KeeperOp op;
  uint32_t from;                  // kList: names to skip
  char name[kKeeperMaxName + 1];  // NUL-terminated, not empty (except kList)
};

struct KeeperReply {
  uint32_t magic;
  uint32_t status;  // 0 = done, else base::Code + 1
  uint32_t total;   // names held
  uint32_t count;   // kList: names in this reply
  char names[64][kKeeperMaxName + 1];
};

// The agent's side. Blocking calls, each at most 5 s. Not thread-safe. kTimeout when the keeper
// is late, kUnavailable when it is gone: connect again (which starts a new one, holding nothing)
// and put everything again.
class Keeper {
 public:
  // Connects to the keeper of `state_dir`; when there is none, starts `command` (a program with its
  // first arguments) in a session of its own and waits for its socket. Empty: only connects.
  static base::Result<Keeper> connect(const std::string& state_dir,
                                      const std::vector<std::string>& command);

  base::Status put(const std::string& name, int fd);    // kConflict when the name is held
  base::Result<base::Fd> get(const std::string& name);  // a duplicate; kNotFound
  base::Result<std::vector<std::string>> list();
  base::Status drop(const std::string& name);  // kNotFound

 private:
  Keeper(std::string state_dir, base::Fd connection)
      : state_dir_(std::move(state_dir)), connection_(std::move(connection)) {}
  base::Result<KeeperReply> call(const KeeperRequest& request, int fd, base::Fd* got);
  std::string state_dir_;
  base::Fd connection_;  // not valid after an answer that was late
};

// The keeper's side: serves `state_dir` until it is of no more use (see above; `idle` for tests).
// kConflict when another keeper already serves the folder.
base::Status serve_keeper(const std::string& state_dir, base::Nanos idle = 10 * base::kSecond);

}  // namespace flexai::agent
