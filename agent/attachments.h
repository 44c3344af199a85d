// Attachments: processes of slices. Serves attach.sock (limit/attach.h): checks who asks
// (SO_PEERCRED) and the grant, gives each process one slot per slice, watches it by pidfd, and
// returns what it held when it dies. After a restart of the agent it finds the owners of slots
// again in the pages.
//
// The owner of a slot is pid | start time << 32: enough to know after a restart whether the owner
// still lives. A process that runs another program (exec) attaches anew while its old connection is
// closed: its old slots are reaped first. A second attach over a living connection is another user
// in the same process and gets slots of its own. Threads: one (the agent's Loop). Every byte of a
// request and of the pages is hostile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/events.h"
#include "agent/process.h"
#include "agent/runs.h"
#include "agent/slices.h"
#include "base/loop.h"
#include "limit/attach.h"

namespace flexai::agent {

class Attachments {
 public:
  Attachments(base::Loop* loop, Slices* slices, Runs* runs, Events* events)
      : loop_(loop), slices_(slices), runs_(runs), events_(events) {}
  ~Attachments();

  // Walks the slots of all slices: living owners are watched again, dead ones reaped.
  void restore();
  // Begins to answer on `listener`, an attach.sock.
  base::Status serve(base::Fd listener);

  // Whether the process is attached now; one that an earlier agent knew has kGrace to come back.
  static constexpr base::Nanos kGrace = 5 * base::kSecond;
  bool attached(pid_t pid) const;
  size_t count() const { return processes_.size(); }
  // Processes of one slice.
  std::vector<pid_t> of_slice(uint64_t slice) const;
  // Whether a process is a worker of the run, which may be another user's than the run is.
  std::function<bool(pid_t, uint64_t run)> is_worker;
  // Looks at once whether any owner has ended, instead of waiting for the Loop to say so.
  void check_ended();

 private:
  struct SlotRef {
    uint64_t slice = 0;
    uint32_t slot = 0;
  };
  struct Connection {
    base::Fd fd;
    std::vector<SlotRef> slots;
    uint64_t run = 0;
    bool open = false;      // fd has not seen its end
    base::Nanos grace = 0;  // until then it counts as open: found after a restart of the agent
  };
  struct Process {
    base::Fd pidfd;
    uint64_t start = 0;
    std::vector<std::unique_ptr<Connection>> connections;
  };
  struct Waiting {
    base::Fd fd;
    base::Loop::TimerId timer = 0;
  };

  void accept_one();
  void handle(int key);
  base::Status attach(base::Fd* connection);
  base::Result<Run*> check_grant(const limit::AttachRequest& request, const Peer& peer);
  base::Result<std::vector<SliceEntry*>> slices_for(const limit::AttachRequest& request,
                                                    const Run& run);
  base::Result<Process*> process_of(Peer* peer);
  base::Result<uint32_t> take_slot(SliceEntry* entry, const Peer& peer, uint32_t known);
  // Whether `slot` of `slice` is this process's by an earlier attach; its bookkeeping is dropped.
  bool take_over(Process* process, uint64_t slice, uint32_t slot);
  void connection_ended(pid_t pid, Connection* connection);
  void process_ended(pid_t pid);
  void release(Connection* connection, pid_t pid);
  void reap_slot(const SlotRef& ref, pid_t pid);
  void adopt(SliceEntry* entry, uint32_t slot, uint64_t owner);
  void drop_stale(Process* process, pid_t pid);

  base::Loop* loop_;
  Slices* slices_;
  Runs* runs_;
  Events* events_;
  base::Fd listener_;
  std::map<int, Waiting> waiting_;  // connected, have not asked yet
  std::map<pid_t, Process> processes_;
};

}  // namespace flexai::agent
