// Preparations: the pod's side. What a kubelet asks for a claim: for each of its results a door, of
// a card of this host or of another one's, and a file that tells the container runtime of them.
// Doing it twice is doing it once; all of it outlives the agent, and what is left of claims that
// are no more goes at the next start.
//
// Threads: one (the agent's Loop). Errors are for the events of a pod: one line, with what to do.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/companion.h"
#include "agent/dra/config.h"
#include "agent/dra/device_status.h"
#include "agent/dra/errands.h"
#include "agent/dra/grants.h"
#include "agent/dra/letter.h"
#include "agent/dra/record.h"
#include "agent/dra/remote_card.h"
#include "kube/client.h"

namespace flexai::agent::dra {

class Preparations {
 public:
  using Done = std::function<void(ClaimAnswer)>;

  Preparations(const Surroundings& around, std::shared_ptr<kube::Client> client, Grants* grants,
               const Config& config);

  base::Status open();
  void prepare(const ClaimName& name, Done done);
  void unprepare(const ClaimName& name, Done done);

  // Whether the slice of that name has a door here.
  bool holds(const std::string& slice) const;

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;
  using Doors = std::map<std::string, std::unique_ptr<RemoteDoor>>;

  std::string file_of(const std::string& uid) const { return folder_ + "/" + uid + ".json"; }
  Way way() const { return {around_.pki, config_.peer_port}; }
  base::Result<base::Fd> listen(const std::string& slice);
  void resume(const PreparedRecord& record);
  void read_claim(const WorkPtr& work);
  void claim_read(const WorkPtr& work, const kube::Reply& answer);
  base::Status check(const Work& work) const;
  base::Status leave_earlier(const Work& work);
  base::Status take_local(const WorkPtr& work);
  void take_remote(const WorkPtr& work);
  void finish(const WorkPtr& work);
  base::Status open_doors(const WorkPtr& work);
  base::Status write_down(const WorkPtr& work);
  void refuse(const WorkPtr& work, const base::Error& why);
  void undo(const WorkPtr& work);
  void clear(const PreparedRecord& record, std::function<void(base::Status)> done);

  const Surroundings around_;
  const std::shared_ptr<kube::Client> client_;
  Grants* const grants_;
  const Config config_;
  const std::string folder_;
  std::map<std::string, PreparedRecord> prepared_;  // by uid
  Doors doors_;                                     // by slice
  std::set<std::string> busy_;                      // uids
  DeviceStatus status_;
  Errands errands_;
};

}  // namespace flexai::agent::dra
