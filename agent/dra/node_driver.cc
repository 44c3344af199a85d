#include "agent/dra/node_driver.h"

#include "agent/dra/claim_requests.h"
#include "agent/dra/grants.h"
#include "agent/dra/plugin_link.h"
#include "agent/dra/preparations.h"
#include "agent/dra/published.h"
#include "agent/dra/publisher.h"
#include "base/log.h"
#include "kube/client.h"
#include "kube/requirement.h"

namespace flexai::agent::dra {

namespace {

constexpr base::Nanos kLook = 2 * base::kSecond;
constexpr base::Nanos kServerAgain = 60 * base::kSecond;

// What publishing and preparing cannot do without. Older servers drop what shared cards need, which
// the publisher sees.
const kube::Requirement kNeeds{"cards", 1, 34, {kube::kResourceClaims, kube::kResourceSlices}};

class NodeDriver final : public Companion {
 public:
  NodeDriver(const Surroundings& around, Config config, std::shared_ptr<kube::Client> client)
      : around_(around),
        config_(std::move(config)),
        client_(std::move(client)),
        grants_(around_, client_.get(), config_.node, config_.peer_port),
        preparations_(around_, client_, &grants_, config_),
        requests_(around_, client_.get(), &grants_, config_.node),
        publisher_(around_, client_.get(), config_.node),
        plugin_(around_.loop, config_, [this](const Question& question) { ask(question); }) {}

  base::Status open() {
    FLEXAI_TRY(grants_.open());
    FLEXAI_TRY(preparations_.open());
    FLEXAI_TRY(plugin_.start());
    publisher_.start();
    check_server();
    look();
    return {};
  }

  void post_claim(const Api::Request& call, const Api::Reply& reply) override {
    requests_.post(call, reply);
  }

  void receive(const Api::Arriving& wanted, std::function<void(base::Result<Run*>)> done) override {
    grants_.receive(wanted, std::move(done));
  }

  std::string waits_for() const override { return lacks_.empty() ? plugin_.waits_for() : lacks_; }

 private:
  void look() {
    publisher_.look();
    look_at_clock();
    grants_.look();
    plugin_.tell(health_of(config_.node, around_.cards->devices()));
    around_.loop->at(base::monotonic_now() + kLook, [this] { look(); });
  }

  void look_at_clock() {
    const std::string warning =
        kube::clock_warning(client_->server_clock().ahead_ms(), &told_ahead_ms_);
    if (warning.empty()) return;
    base::log(base::Level::kWarn, "dra", warning);
    around_.events->add("clock", config_.node, warning);
  }

  // The cards of this host are lent to other hosts all the same, and pods that run are left alone.
  void check_server() {
    kube::check(*client_, *around_.loop, kNeeds, [this](const base::Status& served) {
      const std::string lacks = served.ok() ? "" : served.error().message;
      if (lacks != lacks_ && !lacks.empty()) {
        base::log(base::Level::kError, "dra", "no cards for pods", {{"why", lacks}});
        around_.events->add("server-too-old", config_.node, lacks);
      }
      lacks_ = lacks;
      if (!lacks.empty())
        around_.loop->at(base::monotonic_now() + kServerAgain, [this] { check_server(); });
    });
  }

  // Answered when all of its claims are.
  void ask(const Question& question) {
    struct Open {
      Reply reply;
      size_t left;
    };
    auto open = std::make_shared<Open>();
    open->reply.id = question.id;
    open->left = question.claims.size();
    if (open->left == 0) return plugin_.answer(open->reply);
    for (const ClaimName& claim : question.claims) {
      auto done = [this, open, uid = claim.uid](ClaimAnswer answer) {
        open->reply.claims[uid] = std::move(answer);
        if (--open->left == 0) plugin_.answer(open->reply);
      };
      if (question.prepare)
        preparations_.prepare(claim, std::move(done));
      else
        preparations_.unprepare(claim, std::move(done));
    }
  }

  const Surroundings around_;
  const Config config_;
  const std::shared_ptr<kube::Client> client_;
  Grants grants_;
  Preparations preparations_;
  ClaimRequests requests_;
  Publisher publisher_;
  PluginLink plugin_;
  int64_t told_ahead_ms_ = 0;
  std::string lacks_;  // of the API server
};

}  // namespace

base::Result<std::unique_ptr<Companion>> make_node_driver(const Surroundings& around,
                                                          const Config& config) {
  FLEXAI_TRY_ASSIGN(kube::Credentials credentials, kube::find_credentials(config.kubeconfig));
  base::log(base::Level::kInfo, "dra", "driver of a node",
            {{"node", config.node}, {"credentials", credentials.source}});
  kube::ClientOptions options;
  options.transport.user_agent = "flexaid";
  FLEXAI_TRY_ASSIGN(std::unique_ptr<kube::Client> client,
                    kube::Client::make(std::move(credentials), options));
  auto driver = std::make_unique<NodeDriver>(around, config, std::move(client));
  FLEXAI_TRY(driver->open());
  return std::unique_ptr<Companion>(std::move(driver));
}

}  // namespace flexai::agent::dra
