// Sessions: programs whose card is served. Each of their processes has a worker of its own, started
// fresh, which uses the driver in the run's slices. A program of this host asks at its run's door
// (remote/knock.h); one of another host through that host's `flexai run`, and gets keys, a
// certificate and a signed lease for this session alone.
//
// Leases are renewed at a third of their time, as long as the agent and the run are there; a worker
// ends by itself when its lease has run out. A run of another host that has not been heard of for
// `grace` drains. In the runtime folder `s/` lie, for each session, the socket on which its worker
// listens (NAME) and what a later agent must know of it (NAME.json).
//
// A pod's run has a folder of its own below `doors/`, which is mounted into the pod: there lie its
// door and the sockets of its sessions, for any user of the pod.
//
// Threads: one (the agent's Loop), but why_ended() and socket_of(): any.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/attachments.h"
#include "agent/away_door.h"
#include "agent/events.h"
#include "agent/injection.h"
#include "agent/outside.h"
#include "agent/runs.h"
#include "agent/slices.h"
#include "agent/tenant_home.h"
#include "agent/worker_process.h"
#include "base/loop.h"
#include "base/mutex.h"
#include "remote/handover.h"
#include "remote/worker_order.h"
#include "wire/lease.h"

namespace flexai::agent {

// Where a pod finds the folders of its doors.
inline constexpr const char* kPodDoors = "/run/flexai/doors";

struct SessionConfig {
  std::string runtime;        // folder
  std::string state;          // folder of the lease key
  std::string worker_folder;  // of worker programs that are named without a path
  std::string worker_user;
  std::string worker_group;  // control group folder
  Outside outside;           // where workers are started instead
  std::string attach_socket;
  std::string issuer;  // name of this host in leases
  std::string pki;     // folder of its certificate
  base::Nanos grace = 30 * base::kSecond;
  base::Nanos lease = 300 * base::kSecond;
  uint64_t tenant_cache = 1ull << 30;  // bytes that a tenant's workers keep; 0: nothing
};

struct ServedSession {
  std::string name;  // 32 hexadecimal digits
  uint64_t run = 0;
  std::string host;  // whose program; empty: this one's
  pid_t pid = 0;     // the worker
  uint64_t start = 0;
  int64_t since_ms = 0;  // since 1970
  std::string group;     // control group: folder, or name of the host's; or empty
  std::string tenant;    // as tenant_name() says; empty: its worker's home is its own alone
  std::string socket;    // that its program connects to, or whoever hands connections on
  base::Fd pidfd;
  base::Fd client;     // pidfd of the program, when it is of this host and knocked here
  bool child = false;  // of this agent: its end can be collected
};

class Sessions {
 public:
  static constexpr size_t kMaxSessions = 1000;

  Sessions(base::Loop* loop, Slices* slices, Runs* runs, Attachments* attachments, Events* events,
           const Injection* injection, SessionConfig config);
  ~Sessions();

  // Makes the folder and the key; finds the workers that an earlier agent started.
  base::Status open();

  // A door for programs of this host; its path goes into their environment.
  base::Result<std::string> open_door(Run* run);
  // Of the run of a pod: made by whoever opens the door.
  std::string door_folder(const std::string& claim) const {
    return config_.runtime + "/doors/" + claim;
  }
  // For one process of a program of the run's host, which reaches us as `address`.
  using Answer = std::function<void(base::Result<remote::Introduction>)>;
  void introduce(Run* run, const std::string& address, Answer answer);
  // The same for a session that another host hands on: the place to hand on to it.
  using AnswerPlace = std::function<void(base::Result<remote::Place>)>;
  void receive(Run* run, const std::string& address, AnswerPlace answer);
  // The run's host is there.
  void attend(Run* run) { run->attended = base::monotonic_now(); }

  // The run's sessions go on at another host, `names` says as which there, and so do processes that
  // knock from now on. The workers here end when their programs have come there; then what the run
  // had here is free.
  void send_away(Run* run, const StoredAway& there,
                 const std::map<std::string, std::string>& names);

  void end(const std::string& name, const std::string& why);
  void end_run(uint64_t run, const std::string& why);
  const std::map<std::string, ServedSession>& all() const { return sessions_; }
  const SessionConfig& config() const { return config_; }

  // Has the worker of a session do it; `done` is called on the loop when it has. Memory comes back
  // when the worker has attached to this agent.
  using Done = std::function<void(base::Result<uint64_t>)>;
  void order(const std::string& name, remote::WorkerOrder order, Done done);
  // Does something long on a thread of its own; what that returns is called on the loop, if it is
  // still there.
  void apart(std::function<std::function<void()>()> work);
  // Names of the sessions that use this slice.
  std::vector<std::string> of_slice(uint64_t slice) const;

  std::string why_ended(const std::string& name) const;
  std::string socket_of(const std::string& name) const { return folder_ + "/" + name; }
  std::string home_of(const std::string& name) const { return socket_of(name) + ".home"; }
  std::string orders_of(const std::string& name) const { return socket_of(name) + ".orders"; }
  static bool is_name(const std::string& text);

 private:
  Done swap_in_again(const std::string& name, base::Nanos until, Done done);
  void send_order(const std::string& name, remote::WorkerOrder order, Done done);

  struct Starting;
  struct Credentials {
    remote::Appointment appointment;
    remote::Introduction introduction;
  };
  struct Reach;  // of the threads that wait for workers
  struct Door {
    base::Fd listener;  // not valid when it leads away
    std::string path;
    std::unique_ptr<AwayDoor> away;
  };

  std::string door_of(const Run& run) const;
  std::string socket_for(const Run& run, const std::string& name, int type) const;
  base::Status load_key();
  void restore();
  void restore_one(const std::string& name);
  void restore_doors();
  base::Status watch_door(uint64_t run, Door door);
  void drop_door(uint64_t run);
  void lead_away(const Run& run, std::vector<LentDoor::Process> programs);
  void answer_door(uint64_t run);
  void watch_client(const std::string& name, int connection);
  base::Result<std::string> begin(Run* run, const std::string& address, int type, Answer answer,
                                  const remote::Ticket& ticket = {});
  base::Result<Credentials> credentials(const Run& run, const std::string& name,
                                        const std::string& address);
  base::Result<std::vector<std::byte>> make_lease(const Run& run, const std::string& name) const;
  base::Result<WorkerStart> worker_for(const Run& run);
  void give_group(ServedSession& session, WorkerStart& start) const;
  base::Status give_home(const Run& run, ServedSession& session, WorkerStart& start);
  void take_home(const ServedSession& session);
  void heard(const std::string& name);
  void answer(const std::string& name, base::Result<remote::Introduction> result);
  base::Status note(const ServedSession& session);
  void watch_end(const std::string& name);
  void ended(const std::string& name);
  void remember(const std::string& name, const std::string& why);
  bool at_home(const ServedSession& session) const;
  void bring_back(const std::string& name);
  void tick();
  void renew();

  base::Loop* loop_;
  Slices* slices_;
  Runs* runs_;
  Attachments* attachments_;
  Events* events_;
  const Injection* injection_;
  const SessionConfig config_;
  const std::string folder_;
  const std::shared_ptr<TenantHomes> homes_;
  wire::LeaseKeys keys_;
  std::map<std::string, ServedSession> sessions_;
  std::map<std::string, Starting> starting_;  // no line from them yet
  std::map<uint64_t, Door> doors_;
  std::vector<std::unique_ptr<AwayDoor>> ending_;  // they give back what there is elsewhere
  std::shared_ptr<Reach> reach_;
  base::Nanos renewed_ = 0;
  mutable base::Mutex mutex_;
  std::map<std::string, std::string> why_ FLEXAI_GUARDED_BY(mutex_);  // of the last that ended
  std::deque<std::string> order_ FLEXAI_GUARDED_BY(mutex_);
};

}  // namespace flexai::agent
