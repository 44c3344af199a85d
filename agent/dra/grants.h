// Grants: the card's side. What claims hold of the cards of this host: for each result of an
// allocation a slice and the run that pods' programs get their sessions from. Granted only for a
// claim that was just read from the API server; taken back when the claim or its lease says so.
// Where a lease (XpuLease) speaks for a claim it is what is watched, and its spec is followed; else
// the claim itself is.
//
// Threads: one (the agent's Loop). Source of names and duties: docs/formats/kubernetes.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/companion.h"
#include "agent/dra/record.h"
#include "kube/claim.h"
#include "kube/lease.h"
#include "kube/reflector.h"

namespace flexai::agent::dra {

class Grants {
 public:
  // `peer_port`: of the agents.
  Grants(const Surroundings& around, kube::Client* client, std::string node, int peer_port);

  // What an earlier agent granted goes on; what it had begun only is given back.
  base::Status open();

  // `host`: of the pod; empty: this one. The same again gives the same.
  base::Result<Run*> grant(const kube::Claim& claim, const kube::ClaimResult& result,
                           const std::string& host);

  // Room for a slice that another host hands on (grant_moves.cc), when its lease, which is read
  // anew, names that host's card as where it is and ours as where it goes.
  using Received = std::function<void(base::Result<Run*>)>;
  void receive(const Api::Arriving& wanted, Received done);
  // What speaks for it here; null: nothing that is known.
  const kube::Lease* lease_of(const std::string& slice) const;

  // Ends the sessions and deletes the slice; `done` when it is gone, or does not go.
  using Done = std::function<void(base::Status)>;
  void give_back(const std::string& slice, const std::string& why, Done done);

  // Now and then: what another host has said it needs no more (DELETE /v1/runs/{id}) is let go.
  void look();

  bool holds(const std::string& slice) const { return grants_.count(slice) != 0; }
  // Slices of a claim of this host's pods.
  std::vector<std::string> of_claim(const std::string& uid) const;

 private:
  struct Grant {
    GrantRecord record;
    bool ending = false;
    uint64_t charged[2] = {0, 0};  // device time until the last two looks at it
    int looks = 0;                 // at its use
    bool leaving = false;          // for another host's card
    bool left = false;             // it goes on there
    int tries = 0;                 // to leave
    std::unique_ptr<kube::Reflector<kube::Claim>> watch;  // while no lease speaks for it
  };
  std::string file_of(const std::string& slice) const;
  // Of one that is to come, too.
  const kube::Lease* lease_for(const std::string& slice) const;
  base::Result<model::Slice> wanted(const kube::Claim& claim,
                                    const kube::ClaimResult& result) const;
  base::Status check_lease(const kube::ClaimResult& result, const std::string& slice) const;
  // Null: what there was is gone, it can be made anew.
  base::Result<Run*> known(const GrantRecord& record);
  base::Result<Run*> make(const kube::Claim& claim, const kube::ClaimResult& result,
                          const GrantRecord& record);
  void resume();
  void drop_strays();
  void watch_leases();
  void watch_claim(const std::string& slice);
  void look_at(const std::string& slice, const kube::Claim& claim);
  void look_again(const std::string& slice, base::Nanos until, Done done);
  void gone(const std::string& slice);
  void lease_told(const kube::Lease& lease);
  void lease_deleted(const kube::Lease& lease);
  void follow(const kube::Lease& lease, SliceEntry* entry);
  base::Status set_terms(const kube::Lease& lease, SliceEntry* entry);
  void moved(const std::string& slice, const base::Status& done);
  // grant_moves.cc
  void watch_coming();
  void coming_told(const kube::Lease& lease);
  void check_came();
  void check_came(const std::string& slice);
  base::Status check_coming(const kube::Lease& lease, const std::string& host) const;
  base::Result<Run*> take_in(const kube::Lease& lease, const kube::Claim& claim, uint64_t sessions);
  void leave(const kube::Lease& lease, SliceEntry* entry);
  void go(const std::string& slice);
  void go_to(const std::string& slice, const std::string& address);
  void departed(const std::string& slice, const base::Status& done);
  void tell_stays(const std::string& slice, const base::Error& why);
  void tell_moved(const kube::Lease& lease);
  // grant_leases.cc
  void report(const kube::Lease& lease, const SliceEntry* entry, const base::Status& done);
  void release(const kube::Lease& lease);
  void tell(const kube::Lease& lease, kube::LeaseStatus status);
  void measure();
  void tell_idle(const kube::Lease& lease);
  void tell_failed(const std::string& slice, const std::string& why);

  const Surroundings around_;
  kube::Client* const client_;
  const std::string node_, folder_;
  const int peer_port_;
  std::map<std::string, Grant> grants_;        // by slice
  std::map<std::string, kube::Lease> leases_;  // of our pool, by slice
  std::map<std::string, kube::Lease> coming_;  // to a card of ours, by slice
  std::unique_ptr<kube::Reflector<kube::Lease>> lease_watch_, coming_watch_;
  bool leases_synced_ = false, coming_synced_ = false;
};

}  // namespace flexai::agent::dra
