// NCU: normalised compute units. A card model does so many thousandths of the work of a reference
// card, for each kind of work (training or inference in a precision, say): a table of measured
// rates, refined by what is observed (NcuObserver). The observer is not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace flexai::model {

struct NcuRate {
  std::string model;
  std::string kind;            // of work; empty: all that have no line of their own
  int32_t milli = 1000;        // of one whole card
  int32_t scarcity_milli = 0;  // what using a whole card of it costs more than a common one

  bool operator==(const NcuRate&) const = default;
};

// Learns rates from programs that ran on cards of several models: what they get done in a second
// of a card is the ratio of the two models' rates, whatever a program counts as its work. The first
// model that the table names for a kind is its reference and keeps its rate. A rate moves from what
// the table says towards what is seen as card time adds up, by a factor of two at most, so that
// one odd program or a false report does not turn quotas over. Integers only: the same everywhere.
class NcuObserver {
 public:
  // `program`: what is the same work each time (an image, a template). `card_ms`: of a whole card.
  // Nothing is learnt from amounts that are not positive or beyond 2^40.
  void saw(const std::string& program, const std::string& kind, const std::string& model,
           int64_t card_ms, int64_t units);
  std::vector<NcuRate> refined(const std::vector<NcuRate>& table) const;

 private:
  struct Seen {
    int64_t card_ms = 0, units = 0;
  };
  using ByModel = std::map<std::string, Seen>;
  struct Estimate {
    __int128 sum = 0;    // of rate x weight
    int64_t weight = 0;  // ms of a card
  };
  Estimate estimate(const NcuRate& rate, const std::vector<NcuRate>& table) const;

  std::map<std::pair<std::string, std::string>, ByModel> seen_;  // by kind and program
};

}  // namespace flexai::model
