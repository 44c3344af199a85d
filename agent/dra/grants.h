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
  Grants(const Surroundings& around, kube::Client* client, std::string node);

  // What an earlier agent granted goes on; what it had begun only is given back.
  base::Status open();

  // `host`: of the pod; empty: this one. The same again gives the same.
  base::Result<Run*> grant(const kube::Claim& claim, const kube::ClaimResult& result,
                           const std::string& host);

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
    std::unique_ptr<kube::Reflector<kube::Claim>> watch;  // while no lease speaks for it
  };
  std::string file_of(const std::string& slice) const;
  const kube::Lease* lease_of(const std::string& slice) const;
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
  void report(const kube::Lease& lease, const SliceEntry* entry, const base::Status& done);
  void release(const kube::Lease& lease);
  void tell(const kube::Lease& lease, kube::LeaseStatus status);
  void measure();
  void tell_idle(const kube::Lease& lease);
  void tell_failed(const std::string& slice, const std::string& why);

  const Surroundings around_;
  kube::Client* const client_;
  const std::string node_, folder_;
  std::map<std::string, Grant> grants_;        // by slice
  std::map<std::string, kube::Lease> leases_;  // of our pool, by slice
  std::unique_ptr<kube::Reflector<kube::Lease>> lease_watch_;
};

}  // namespace flexai::agent::dra
