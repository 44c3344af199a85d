// Cards of this host, as this agent holds them: found, locked against other agents, each with its
// arbiter. Threads: one (the agent's Loop).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/card_arbiter.h"
#include "agent/card_lock.h"
#include "agent/keeper.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/device.h"

namespace flexai::agent {

struct Card {
  model::Device device;  // health says so when another agent holds it
  bool driver_healthy = true;
  std::string driver_health;
  base::Fd lock;
  std::unique_ptr<CardArbiter> arbiter;  // null while the card cannot be used
};

class Cards {
 public:
  Cards(std::string socket, CardLockPlaces places)
      : socket_(std::move(socket)), places_(std::move(places)) {}

  // Takes over what discovery found; locks each healthy card, with the lock an earlier agent left
  // in the keeper if there is one. Again: brings the cards up to date. One that is in use and not
  // found any more stays, not healthy, for the programs that are on it.
  void take(std::vector<model::Device> found, Keeper* keeper);
  // Tries again to lock a card that another agent held.
  void retry(Card* card, Keeper* keeper);

  // Gives a new keeper the locks this agent holds.
  void keep_again(Keeper* keeper);

  Card* by_id(const std::string& id);
  Card* by_key(const std::string& key);
  std::vector<Card>& all() { return cards_; }
  std::vector<model::Device> devices() const;

 private:
  void keep_gone(Card card);
  base::Status hold(Card* card, Keeper* keeper);

  std::string socket_;
  CardLockPlaces places_;
  std::vector<Card> cards_;
};

}  // namespace flexai::agent
