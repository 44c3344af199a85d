// Elector: takes part in an Election for as long as it lives: looks, takes, renews, and gives the
// lease up when asked to. It runs on the user's loop on purpose: a daemon whose loop hangs stops
// leading. Before each write that only a leader may do, ask leading(); it is true only while nobody
// else can have taken over, also right after this process was stopped and went on.
// Threads: all on the thread of `loop` but leading(), from any. Lifetime: client and loop outlive
// it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "kube/client.h"
#include "kube/election.h"

namespace flexai::kube {

struct ElectorOptions {
  std::string ns, name;
  std::string identity;  // of this process, never used by another one: host name and a random part
  LeaseTimes times;
};

struct ElectorHandlers {
  std::function<void()> started;                   // we lead
  std::function<void()> stopped;                   // we do not any more
  std::function<void(const std::string&)> leader;  // another holder, perhaps us; empty: nobody
  std::function<void(const Failure&)> trouble;     // it goes on by itself
};

class Elector {
 public:
  static base::Result<std::unique_ptr<Elector>> make(Client& client, base::Loop& loop,
                                                     ElectorOptions options,
                                                     ElectorHandlers handlers);
  ~Elector();  // without giving the lease up

  bool leading() const;
  // Gives the lease up, so that another one need not wait for its end, and takes part no more.
  // `done` runs when the server knows, or does not answer in time.
  void release(std::function<void()> done);

 private:
  struct State;
  explicit Elector(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::shared_ptr<State> state_;
};

// The clock of leading(): monotonic, and it runs on while the machine sleeps.
base::Nanos lease_now();

}  // namespace flexai::kube
