#include "agent/dra/node_driver.h"

#include "agent/dra/claim_requests.h"
#include "agent/dra/grants.h"
#include "agent/dra/plugin_link.h"
#include "agent/dra/preparations.h"
#include "agent/dra/published.h"
#include "agent/dra/publisher.h"
#include "base/log.h"
#include "kube/client.h"

namespace flexai::agent::dra {

namespace {

constexpr base::Nanos kLook = 2 * base::kSecond;

class NodeDriver final : public Companion {
 public:
  NodeDriver(const Surroundings& around, Config config, std::shared_ptr<kube::Client> client)
      : around_(around),
        config_(std::move(config)),
        client_(std::move(client)),
        grants_(around_, client_.get(), config_.node),
        preparations_(around_, client_, &grants_, config_),
        requests_(around_, client_.get(), &grants_, config_.node),
        publisher_(around_, client_.get(), config_.node),
        plugin_(around_.loop, config_, [this](const Question& question) { ask(question); }) {}

  base::Status open() {
    FLEXAI_TRY(grants_.open());
    FLEXAI_TRY(preparations_.open());
    FLEXAI_TRY(plugin_.start());
    publisher_.start();
    look();
    return {};
  }

  void post_claim(const Api::Request& call, const Api::Reply& reply) override {
    requests_.post(call, reply);
  }

  std::string waits_for() const override { return plugin_.waits_for(); }

 private:
  void look() {
    publisher_.look();
    grants_.look();
    plugin_.tell(health_of(config_.node, around_.cards->devices()));
    around_.loop->at(base::monotonic_now() + kLook, [this] { look(); });
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
