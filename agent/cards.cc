#include "agent/cards.h"

#include "agent/folders.h"
#include "base/log.h"

namespace flexai::agent {
namespace {

// Names in the keeper are short; a card's key may be long, so the lock is named by its hash.
std::string lock_name(const std::string& key) {
  uint64_t hash = 14695981039346656037ull;
  for (char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return "lock-" + std::to_string(hash);
}

}  // namespace

base::Status Cards::hold(Card* card, Keeper* keeper) {
  const std::string name = lock_name(card->device.key);
  auto kept = keeper->get(name);
  if (kept.ok()) {
    write_lock_note(kept->get(), socket_);
    card->lock = std::move(*kept);
  } else {
    FLEXAI_TRY_ASSIGN(card->lock, lock_card(card->device.key, socket_, places_));
    base::Status put = keeper->put(name, card->lock.get());
    if (!put.ok())
      base::log(base::Level::kWarn, "cards", "lock not kept", {{"why", put.error().message}});
  }
  CardArbiter::Options options;
  options.card = card->device.id;
  auto arbiter = CardArbiter::start(options);
  if (!arbiter.ok()) {
    card->lock.reset();
    return arbiter.error();
  }
  card->arbiter = std::move(*arbiter);
  return {};
}

void Cards::retry(Card* card, Keeper* keeper) {
  if (!card->driver_healthy || card->arbiter != nullptr) return;
  base::Status held = hold(card, keeper);
  card->device.healthy = held.ok();
  card->device.health = held.ok() ? card->driver_health : held.error().message;
}

void Cards::take(std::vector<model::Device> found, Keeper* keeper) {
  std::vector<Card> before = std::move(cards_);
  cards_.clear();
  for (auto& device : found) {
    Card card;
    for (Card& known : before)
      if (known.device.key == device.key && known.arbiter != nullptr) card = std::move(known);
    card.driver_healthy = device.healthy;
    card.driver_health = device.health;
    card.device = std::move(device);
    cards_.push_back(std::move(card));
    retry(&cards_.back(), keeper);
  }
  for (Card& card : before)
    if (card.arbiter != nullptr) keep_gone(std::move(card));
}

void Cards::keep_gone(Card card) {
  card.driver_healthy = card.device.healthy = false;
  card.driver_health = card.device.health = "its driver does not list it any more";
  while (by_id(card.device.id) != nullptr) card.device.id += "-gone";
  cards_.push_back(std::move(card));
}

void Cards::keep_again(Keeper* keeper) {
  for (const Card& card : cards_)
    if (card.lock.valid()) [[maybe_unused]]
      auto put = keeper->put(lock_name(card.device.key), card.lock.get());
}

Card* Cards::by_id(const std::string& id) {
  for (Card& card : cards_)
    if (card.device.id == id) return &card;
  return nullptr;
}

Card* Cards::by_key(const std::string& key) {
  for (Card& card : cards_)
    if (card.device.key == key) return &card;
  return nullptr;
}

std::vector<model::Device> Cards::devices() const {
  std::vector<model::Device> devices;
  for (const Card& card : cards_) devices.push_back(card.device);
  return devices;
}

}  // namespace flexai::agent
