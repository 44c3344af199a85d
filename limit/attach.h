// Attach: how a process of a slice gets the slice's shared memory from the agent.
// A SOCK_SEQPACKET unix socket (path in FLEXAI_ATTACH). The client sends one AttachRequest; the
// agent knows the peer by SO_PEERCRED and answers with one message: AttachReply, then `count`
// AttachedSlice records, with three descriptors per record by SCM_RIGHTS, in order: control page
// (read-only), tenant pages (read-write), doorbell (eventfd). The connection then stays open
// without further messages: end of file means the agent is gone (the client limits itself and
// attaches again), and for the agent that the process may be gone (its pidfd decides). Both sides
// check magic, version and lengths; every byte of the other side is hostile. Version 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::limit {

inline constexpr uint32_t kAttachMagic = 0x46584131;  // "FXA1"
inline constexpr uint32_t kAttachVersion = 1;
inline constexpr uint32_t kMaxAttachedSlices = 16;

// Environment of a program started by `flexai run`.
inline constexpr const char* kEnvAttach = "FLEXAI_ATTACH";  // path of the socket
inline constexpr const char* kEnvGrant =
    "FLEXAI_GRANT";  // 32 hex digits, names the run and so its slices

struct AttachRequest {
  uint32_t magic;
  uint32_t version;
  char grant[33];  // NUL-terminated
  char api[15];    // "opencl"; only slices of cards of this API come back
  // Slots this process already has from an earlier agent, so that it keeps them: 0 = none.
  uint32_t known;
  struct {
    uint64_t slice_id;
    uint32_t slot;
    uint32_t pad;
  } slots[kMaxAttachedSlices];
};

struct AttachReply {
  uint32_t magic;
  uint32_t version;
  uint32_t status;  // 0 = attached, else base::Code + 1
  uint32_t count;
  char message[256];  // why not, NUL-terminated
};

struct AttachedSlice {
  uint64_t slice_id;
  uint32_t slot;
  uint32_t copy_engine;  // 1: transfers need no lease on this card
  char name[64];
  char card_key[256];  // model::Device::key
};

struct Attached {
  AttachedSlice about;
  base::Fd control, pages, doorbell;
};

// Client side: connects, asks, checks; waits for the answer for at most 5 s. On success
// `*connection` is the open socket.
base::Result<std::vector<Attached>> attach(const std::string& socket_path,
                                           const AttachRequest& request, base::Fd* connection);
// For a process that has nothing yet: an agent that was there and is not just now, because it was
// killed and is started again, is waited for; 10 s at most.
base::Result<std::vector<Attached>> attach_when_back(const std::string& socket_path,
                                                     const AttachRequest& request,
                                                     base::Fd* connection);
// Server side: reads one request from `connection`; sends the answer. Neither blocks for longer
// than 1 s.
base::Result<AttachRequest> read_attach_request(int connection);
base::Status send_attached(int connection, const std::vector<Attached>& slices);
base::Status send_attach_refusal(int connection, const base::Error& why);

}  // namespace flexai::limit
