#include "agent/dra/plugin_service.h"

#include <errno.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>

#include <dra/health.grpc.pb.h>
#include <dra/plugin.grpc.pb.h>
#include <dra/registration.grpc.pb.h>
#include "agent/dra/letter.h"
#include "agent/dra/sockets.h"
#include "base/mutex.h"

namespace flexai::agent::dra {
namespace {

namespace wanted = k8s::io::kubelet::pkg::apis::dra::v1;
using grpc::ServerContext;
using grpc::Status;

constexpr auto kLook = std::chrono::milliseconds(500);  // whether the caller is still there
constexpr int kMostThreads = 96;

// Questions to the agent, by number.
class Agent {
 public:
  explicit Agent(int socket) : socket_(socket) {}

  base::Result<Reply> ask(Question question, const ServerContext& context) {
    std::future<Reply> answer;
    {
      base::MutexLock lock(mutex_);
      question.id = ++last_;
      answer = open_[question.id].get_future();
    }
    if (base::Status sent = send(write(question)); !sent.ok()) return sent.error();
    while (answer.wait_for(kLook) != std::future_status::ready) {
      if (!context.IsCancelled()) continue;
      base::MutexLock lock(mutex_);
      open_.erase(question.id);
      return base::fail(base::Code::kTimeout, "the kubelet did not wait");
    }
    return answer.get();
  }

  base::Status send(const std::string& line) {
    base::MutexLock lock(send_mutex_);
    if (::send(socket_, line.data(), line.size(), MSG_NOSIGNAL) ==
        static_cast<ssize_t>(line.size()))
      return {};
    return base::fail(base::Code::kUnavailable, "flexaid is gone");
  }

  // Until the agent is gone.
  void read() {
    std::string buffer;
    char bytes[16384];
    for (;;) {
      const ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      buffer.append(bytes, static_cast<size_t>(n));
      auto lines = take_lines(&buffer);
      if (!lines.ok()) return;
      for (const std::string& line : *lines)
        if (auto letter = read_from_agent(line); letter.ok()) take(std::move(*letter));
    }
  }

  // The health as it is once it is another than number `seen`, or after a while.
  uint64_t wait_health(uint64_t seen, std::vector<DeviceHealth>* health) {
    std::unique_lock<base::Mutex> lock(mutex_);
    changed_.wait_for(lock, kLook, [&] { return version_ != seen; });
    *health = health_;
    return version_;
  }

 private:
  void take(FromAgent letter) {
    base::MutexLock lock(mutex_);
    if (letter.about_health) {
      health_ = std::move(letter.health);
      ++version_;
      changed_.notify_all();
      return;
    }
    auto it = open_.find(letter.reply.id);
    if (it == open_.end()) return;
    it->second.set_value(std::move(letter.reply));
    open_.erase(it);
  }

  const int socket_;
  base::Mutex send_mutex_, mutex_;
  std::condition_variable_any changed_;
  // No two processes give the same number, so that no answer to another's question is taken for
  // ours.
  uint64_t last_ FLEXAI_GUARDED_BY(mutex_) = static_cast<uint64_t>(::getpid()) << 32;
  std::map<uint64_t, std::promise<Reply>> open_ FLEXAI_GUARDED_BY(mutex_);
  std::vector<DeviceHealth> health_;
  uint64_t version_ = 0;
};

class Registration final : public pluginregistration::Registration::Service {
 public:
  Registration(Agent* agent, std::string driver, std::string endpoint)
      : agent_(agent), driver_(std::move(driver)), endpoint_(std::move(endpoint)) {}

 private:
  Status GetInfo(ServerContext*, const pluginregistration::InfoRequest*,
                 pluginregistration::PluginInfo* info) override {
    info->set_type("DRAPlugin");
    info->set_name(driver_);
    info->set_endpoint(endpoint_);
    info->add_supported_versions("v1.DRAPlugin");
    info->add_supported_versions("v1alpha1.DRAResourceHealth");
    return Status::OK;
  }
  Status NotifyRegistrationStatus(ServerContext*,
                                  const pluginregistration::RegistrationStatus* said,
                                  pluginregistration::RegistrationStatusResponse*) override {
    [[maybe_unused]] auto sent =
        agent_->send(write(Registered{said->plugin_registered(), said->error()}));
    return Status::OK;
  }

  Agent* const agent_;
  const std::string driver_, endpoint_;
};

template <typename Request>
Question question_of(const Request& request, bool prepare) {
  Question question;
  question.prepare = prepare;
  for (const wanted::Claim& claim : request.claims())
    question.claims.push_back({claim.namespace_(), claim.uid(), claim.name()});
  return question;
}

Status unavailable(const base::Error& error) {
  return Status(grpc::StatusCode::UNAVAILABLE, error.message);
}

class Plugin final : public wanted::DRAPlugin::Service {
 public:
  explicit Plugin(Agent* agent) : agent_(agent) {}

 private:
  Status NodePrepareResources(ServerContext* context,
                              const wanted::NodePrepareResourcesRequest* request,
                              wanted::NodePrepareResourcesResponse* response) override {
    auto reply = agent_->ask(question_of(*request, true), *context);
    if (!reply.ok()) return unavailable(reply.error());
    for (const auto& [uid, answer] : reply->claims) {
      auto& made = (*response->mutable_claims())[uid];
      made.set_error(answer.error);
      for (const PreparedDevice& one : answer.devices) {
        wanted::Device* device = made.add_devices();
        device->add_request_names(one.request);
        device->set_pool_name(one.pool);
        device->set_device_name(one.device);
        device->set_share_id(one.share_id);
        for (const std::string& id : one.cdi) device->add_cdi_device_ids(id);
      }
    }
    return Status::OK;
  }
  Status NodeUnprepareResources(ServerContext* context,
                                const wanted::NodeUnprepareResourcesRequest* request,
                                wanted::NodeUnprepareResourcesResponse* response) override {
    auto reply = agent_->ask(question_of(*request, false), *context);
    if (!reply.ok()) return unavailable(reply.error());
    for (const auto& [uid, answer] : reply->claims)
      (*response->mutable_claims())[uid].set_error(answer.error);
    return Status::OK;
  }

  Agent* const agent_;
};

class Health final : public v1alpha1::DRAResourceHealth::Service {
 public:
  explicit Health(Agent* agent) : agent_(agent) {}

 private:
  Status NodeWatchResources(
      ServerContext* context, const v1alpha1::NodeWatchResourcesRequest*,
      grpc::ServerWriter<v1alpha1::NodeWatchResourcesResponse>* writer) override {
    uint64_t seen = 0;
    while (!context->IsCancelled()) {
      std::vector<DeviceHealth> health;
      const uint64_t now = agent_->wait_health(seen, &health);
      if (now == seen) continue;
      seen = now;
      v1alpha1::NodeWatchResourcesResponse response;
      for (const DeviceHealth& one : health) {
        v1alpha1::DeviceHealth* device = response.add_devices();
        device->mutable_device()->set_pool_name(one.pool);
        device->mutable_device()->set_device_name(one.device);
        device->set_health(one.healthy ? v1alpha1::HEALTHY : v1alpha1::UNHEALTHY);
        device->set_last_updated_time(::time(nullptr));
        device->set_message(one.message);
      }
      if (!writer->Write(response)) break;
    }
    return Status::OK;
  }

  Agent* const agent_;
};

base::Status make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return base::fail(base::Code::kDenied, "making " + path + ": " + error.message());
  return {};
}

}  // namespace

base::Status run_plugin(const PluginOptions& options) {
  const std::string folder = options.plugins + "/" + options.driver;
  const Sockets sockets = fresh_sockets(options.registry, options.plugins, options.driver);
  const std::string &endpoint = sockets.endpoint, &registry = sockets.registry;
  FLEXAI_TRY(make_folder(folder));
  FLEXAI_TRY(make_folder(options.registry));
  Agent agent(options.agent);
  Registration registration(&agent, options.driver, endpoint);
  Plugin plugin(&agent);
  Health health(&agent);
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kMostThreads);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  int answers = 0, registers = 0;
  // The kubelet comes as soon as the second one is there.
  builder.AddListeningPort("unix:" + endpoint, grpc::InsecureServerCredentials(), &answers);
  builder.AddListeningPort("unix:" + registry, grpc::InsecureServerCredentials(), &registers);
  builder.RegisterService(&plugin);
  builder.RegisterService(&health);
  builder.RegisterService(&registration);
  auto server = builder.BuildAndStart();
  if (server == nullptr || answers == 0 || registers == 0)
    return base::fail(base::Code::kUnavailable,
                      "cannot listen at " + endpoint + " and " + registry);
  // Of those that were killed; only now, so that the kubelet is never without.
  remove_sockets(options.registry, options.plugins, options.driver, sockets);
  agent.read();
  // Callers that wait would wait for nobody, and sockets may be another one's by now.
  ::_exit(0);
}

}  // namespace flexai::agent::dra
