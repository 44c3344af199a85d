// The pod's side of a card of another node: asking that node's agent for what a claim was given
// there, and the door behind which this host's programs get sessions from it. Errors name the node.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "agent/dra/record.h"
#include "agent/host_link.h"
#include "base/clock.h"
#include "base/fd.h"
#include "kube/client.h"

namespace flexai::agent::dra {

struct Way {
  std::string pki;  // folder of our certificate
  int port = 0;     // of the agents
};

struct Lent {
  std::string node;  // whose card it is
  uint64_t run = 0;
  std::set<std::string> apis;
  base::Nanos grace = 30 * base::kSecond;
};

// The InternalIP in the object of a node.
base::Result<std::string> address_of(std::string_view node, const std::string& name);
// Where a result of a claim has its card by now, which its lease says, if there is one. Blocks.
base::Result<PreparedResult> now_of(kube::Client& client, const PreparedRecord& claim,
                                    const PreparedResult& result);
// The agent of `node`, found by the address of its Node. Any thread but the client's; blocks.
base::Result<HostLink> link_to(kube::Client& client, const std::string& node, const Way& way);
// What it grants. Blocks.
base::Result<Lent> ask_for(HostLink& link, const PreparedRecord& claim,
                           const PreparedResult& result);
// Whatever becomes of it: the card's agent also sees by itself what is over.
void give_back(kube::Client& client, const PreparedResult& result, const Way& way);

class RemoteDoor {
 public:
  // `lent` absent: it is asked for until it is granted; who knocks waits. Threads: one of its own,
  // which ends when this does, after the answer it may be waiting for.
  RemoteDoor(std::shared_ptr<kube::Client> client, PreparedRecord claim, PreparedResult result,
             Way way, base::Fd listener, std::optional<Lent> lent);
  ~RemoteDoor();

 private:
  void serve();
  base::Result<HostLink> ask(Lent* lent) const;
  std::optional<HostLink> link();
  bool pause(base::Nanos time);  // false: it is over

  const std::shared_ptr<kube::Client> client_;
  const PreparedRecord claim_;
  const PreparedResult result_;
  const Way way_;
  base::Fd listener_, hold_, held_;
  std::optional<Lent> lent_;
  std::thread thread_;
};

}  // namespace flexai::agent::dra
