// Loops: work that is stopped or moved back and forth. Watches what plans do over a long run.
//
// An exchange: A is stopped for B, later B for A, and so on while both are there. Once each way can
// be right, when a queue came back to its share; a pair that goes on keeps undoing itself. A
// return: a member is moved back to where it was moved away from less than kSoon ago; once can be
// right when other work left meanwhile, again is a loop. Times in seconds. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace flexai::apps::sim {

class Loops {
 public:
  static constexpr size_t kMostExchange = 2;  // of stops in turn
  static constexpr size_t kMostReturns = 1;   // of one member while it runs
  static constexpr double kSoon = 3600;

  void stopped(const std::string& task, const std::string& for_whom);
  void moved(const std::string& task, uint32_t member, const std::string& from,
             const std::string& to, double now);
  void gone(const std::string& task);

  size_t longest_exchange() const { return longest_; }
  size_t returns() const { return returns_; }
  size_t found() const { return found_; }  // beyond what can be right

 private:
  struct Exchange {
    std::string last;  // who was stopped last
    size_t length = 0;
  };
  struct Left {
    std::string place;
    double at = 0;
  };
  struct Member {
    std::vector<Left> left;
    size_t returns = 0;
  };

  std::map<std::pair<std::string, std::string>, Exchange> exchanges_;  // names in order
  std::map<std::string, std::vector<std::string>> partners_;
  std::map<std::string, std::map<uint32_t, Member>> moved_;
  size_t longest_ = 0, returns_ = 0, found_ = 0;
};

}  // namespace flexai::apps::sim
