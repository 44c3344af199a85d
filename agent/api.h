// Api: what the HTTP interface can do, as functions on the Loop. Routes and shapes are described in
// docs/api/openapi.json; routes() is compared with it by a test.
// Threads: one (the agent's Loop). Answers go to the Pending, at once or later.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/attachments.h"
#include "agent/call.h"
#include "agent/cards.h"
#include "agent/events.h"
#include "agent/injection.h"
#include "agent/line.h"
#include "agent/migration.h"
#include "agent/pace.h"
#include "agent/runs.h"
#include "agent/sessions.h"
#include "agent/slices.h"
#include "agent/watchdog.h"
#include "base/loop.h"

namespace flexai::agent {

struct Identity {
  std::string form;  // "service" or "embedded"
  std::string socket;
  std::string attach_socket;
  uint64_t incarnation = 0;
  base::Nanos started = 0;
};

class Api {
 public:
  using Request = std::shared_ptr<Call>;
  using Reply = std::shared_ptr<Pending>;
  using Handler = void (Api::*)(const Request&, const Reply&);
  struct Route {
    const char* method;
    const char* path;  // "/v1/slices/{name}"
    Handler handler;
    bool network = false;  // hosts with a certificate may call it too
  };
  static const std::vector<Route>& routes();

  Api(base::Loop* loop, Cards* cards, Slices* slices, Runs* runs, Attachments* attachments,
      Watchdog* watchdog, Events* events, const Injection* injection, Sessions* sessions,
      Identity identity);

  // Set by who knows the cluster (agent/companion.h); without it no host is lent to by claims.
  std::function<void(const Request&, const Reply&)> on_claim;

  // Its memory leaves the card, or comes back, with the sessions that use it: all or none. `done`
  // is called once, on the Loop.
  void move_slice(const std::string& name, model::Residency to, base::Nanos patience,
                  std::function<void(base::Status)> done);

  // The same for going to a card of another host, which `lease` allows: the run ends here and is
  // one of that host. Nothing has happened when it fails.
  struct Destination {
    std::string host;       // as people write it
    std::string owner;      // name that the certificate there must have
    std::string ns, lease;  // by which that host grants it
  };
  void migrate_slice(const std::string& name, const Destination& to, base::Nanos patience,
                     std::function<void(base::Status)> done);
  // Set by who knows the cluster: room here for what `host` hands on, if the lease says so. With
  // `sessions` 0 and some here already, it has come before.
  struct Arriving {
    std::string host, ns, lease;
    uint64_t sessions = 0;
  };
  std::function<void(const Arriving&, std::function<void(base::Result<Run*>)>)> on_arrival;

  std::string metrics();  // text for Prometheus
  bool in_use() const { return !slices_->all().empty() || !runs_->all().empty(); }

 private:
  // api_views.cc
  void get_devices(const Request&, const Reply&);
  void get_top(const Request&, const Reply&);
  void get_events(const Request&, const Reply&);
  void get_agent(const Request&, const Reply&);
  void get_health(const Request&, const Reply&);
  void get_metrics(const Request&, const Reply&);
  void get_explain(const Request&, const Reply&);
  nlohmann::json card_facts(const Card& card) const;
  // api_slices.cc
  void get_slices(const Request&, const Reply&);
  void post_slice(const Request&, const Reply&);
  void get_slice(const Request&, const Reply&);
  void patch_slice(const Request&, const Reply&);
  nlohmann::json slice_facts(const SliceEntry& entry) const;
  base::Result<SliceEntry*> owned_slice(const Call& call);
  // api_delete.cc
  struct Removal;
  void delete_slice(const Request&, const Reply&);
  void try_delete(const std::shared_ptr<Removal>& removal);
  void finish_delete(const Removal& removal, const base::Status& done);
  void give_up(const Removal& removal, const base::Status& why);
  std::vector<std::string> users(const SliceEntry& entry) const;
  base::Status unused(const SliceEntry& entry) const;
  std::map<pid_t, Run*> processes_in(const SliceEntry& entry) const;
  base::Status stop_users(Removal* removal, const SliceEntry& entry);
  // api_move.cc
  struct Move;
  void post_swap(const Request&, const Reply&);
  void post_resume(const Request&, const Reply&);
  base::Status may_move(const SliceEntry& entry) const;
  void order_all(const std::shared_ptr<Move>& move, remote::OrderWord word);
  void heard(const std::shared_ptr<Move>& move, const std::string& session,
             const base::Result<uint64_t>& moved);
  void finish_move(const std::shared_ptr<Move>& move);
  // api_migrate.cc
  struct Arrival;
  struct Departure;
  struct Gone {  // a run that goes on at another host
    std::string host, to, owner;
    uint64_t run = 0;
    nlohmann::json sessions;  // their names there, by those here
  };
  void post_migrate(const Request&, const Reply&);
  void post_arrival(const Request&, const Reply&);
  void delete_arrival(const Request&, const Reply&);
  base::Result<Run*> migrates(const SliceEntry& entry, bool by_lease) const;
  using Departed = std::function<void(base::Result<nlohmann::json>)>;
  void depart(SliceEntry* entry, MigrationPlan plan, const Destination* by_lease, Departed done);
  void post_leased_arrival(const Request&, const Reply&, const Arriving& wanted,
                           const model::Device& card, const std::string& address);
  void receive_all(const std::shared_ptr<Arrival>& arrival, Run* run, const std::string& address);
  void hand_on(const Departure& departure, const Migrated& done);
  void migrated(const std::shared_ptr<Departure>& departure, const base::Result<Migrated>& done);
  base::Result<std::string> equal_card(const model::Device& card) const;
  void arrived(const std::shared_ptr<Arrival>& arrival, base::Result<remote::Place> place);
  void all_arrived(const std::shared_ptr<Arrival>& arrival);
  // api_links.cc
  void post_run_link(const Request&, const Reply&);
  void post_link(const Request&, const Reply&);
  base::Status may_link(const std::string& host);
  // api_runs.cc
  void post_run(const Request&, const Reply&);
  void get_run(const Request&, const Reply&);
  void delete_run(const Request&, const Reply&);
  struct Wish {  // what a run shall be
    std::string command;
    bool served = false;
  };
  base::Result<Answer> start_on(const Call& call, std::vector<uint64_t> ids, const Wish& wish);
  base::Result<nlohmann::json> environment_of(Run* run, const std::set<std::string>& apis,
                                              bool served);
  base::Result<std::vector<uint64_t>> named_slices(const Call& call,
                                                   const std::vector<std::string>& names);
  base::Result<Run*> named_run(const Call& call);
  // api_sessions.cc
  void get_sessions(const Request&, const Reply&);
  void delete_session(const Request&, const Reply&);
  void post_run_session(const Request&, const Reply&);
  void post_claim(const Request&, const Reply&);
  void post_run_alive(const Request&, const Reply&);
  base::Result<Run*> hosts_run(const Call& call);
  nlohmann::json run_facts(const Run& run) const;

  // Tries `attempt`; while there is no room (kExhausted) and the call has ?wait=, stands in line
  // for `card`.
  void with_room(const Request& call, const Reply& reply, const std::string& card,
                 std::function<base::Result<Answer>()> attempt);
  bool may_change(const Call& call, uint32_t owner) const;

  base::Loop* loop_;
  Cards* cards_;
  Slices* slices_;
  Runs* runs_;
  Attachments* attachments_;
  Watchdog* watchdog_;
  Events* events_;
  const Injection* injection_;
  Sessions* sessions_;
  Identity identity_;
  Line line_;
  std::map<uint64_t, Gone> gone_;             // by run; the last 1,024
  std::map<uint64_t, std::string> arriving_;  // runs, and the host they come from
  std::map<std::string, Pace> link_paces_;    // by host
  size_t links_under_way_ = 0;
};

}  // namespace flexai::agent
