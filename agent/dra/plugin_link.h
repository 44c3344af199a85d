// PluginLink: the process that speaks with the kubelet (flexai-dra), started and, when it ends,
// started again; its questions are answered here. Threads: one (the agent's Loop).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "agent/dra/config.h"
#include "agent/dra/letter.h"
#include "base/fd.h"
#include "base/loop.h"

namespace flexai::agent::dra {

class PluginLink {
 public:
  using Ask = std::function<void(const Question&)>;
  PluginLink(base::Loop* loop, Config config, Ask ask);
  ~PluginLink();  // the kubelet sees that we are gone

  base::Status start();
  void answer(const Reply& reply);
  void tell(std::vector<DeviceHealth> health);
  // Until the kubelet has taken us; empty then.
  const std::string& waits_for() const { return waits_for_; }

 private:
  static constexpr const char* kNotYet = "the kubelet has not registered the driver yet";
  base::Status spawn();
  void readable();
  void take(const std::string& line);
  void send(const std::string& line);
  void ended();

  base::Loop* const loop_;
  const Config config_;
  const Ask ask_;
  base::Fd socket_;
  pid_t pid_ = 0;
  std::string buffer_;
  std::vector<DeviceHealth> health_;
  std::string waits_for_ = kNotYet;
};

}  // namespace flexai::agent::dra
