#include "control/webhook/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <time.h>

#include <thread>

#include "base/fd.h"
#include "base/openssl.h"

namespace flexai::control::webhook {
namespace {

const std::vector<std::string> kNames{"webhook.flexai-system.svc", "webhook.flexai-system"};

base::Fd connect_to(int port) {
  base::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return socket;
}

// As the API server does: believes the one authority, and looks at the name.
class Caller {
 public:
  Caller(int port, const ServingCertificate& trusted) : socket_(connect_to(port)) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    const base::BioPtr bio = base::bio_of(trusted.authority);
    const base::CertPtr authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set1_host(ssl_.get(), kNames[0].c_str());
    SSL_set_fd(ssl_.get(), socket_.get());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  bool connected() const { return connected_; }
  std::string ask(const std::string& request, bool last = false) {
    if (SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size())) <= 0) return "";
    std::string answer;
    char part[4096];
    for (;;) {
      const size_t head = answer.find("\r\n\r\n");
      if (head != std::string::npos && !last) {
        const size_t at = answer.find("Content-Length: ");
        if (at != std::string::npos &&
            answer.size() >= head + 4 + std::stoul(answer.substr(at + 16)))
          return answer;
      }
      const int got = SSL_read(ssl_.get(), part, sizeof part);
      if (got <= 0) return answer;
      answer.append(part, static_cast<size_t>(got));
    }
  }

 private:
  base::Fd socket_;
  base::SslContextPtr context_;
  base::SslPtr ssl_;
  bool connected_ = false;
};

std::string post(const std::string& body) {
  return "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    certificate_ = make_certificate(kNames).value();
    auto made =
        Server::make({"127.0.0.1", 0}, certificate_, {}, nullptr, [this] { return ready_; });
    EXPECT_TRUE(made.ok()) << made.error().message;
    server_ = std::move(*made);
  }
  bool ready_ = true;
  ServingCertificate certificate_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersReviewsOnOneConnection) {
  Caller caller(server_->port(), certificate_);
  ASSERT_TRUE(caller.connected());
  const std::string review =
      R"({"kind": "AdmissionReview", "request": {"uid": "u", "operation": "DELETE"}})";
  for (int i = 0; i < 3; ++i)
    EXPECT_NE(caller.ask(post(review)).find(R"("allowed":true)"), std::string::npos);
  EXPECT_EQ(caller.ask(post("nonsense")).rfind("HTTP/1.1 400", 0), 0u);
}

TEST_F(ServerTest, SaysWhetherItIsReady) {
  EXPECT_EQ(Caller(server_->port(), certificate_)
                .ask("GET /readyz HTTP/1.1\r\n\r\n")
                .rfind("HTTP/1.1 200", 0),
            0u);
  ready_ = false;
  EXPECT_EQ(Caller(server_->port(), certificate_)
                .ask("GET /readyz HTTP/1.1\r\n\r\n")
                .rfind("HTTP/1.1 503", 0),
            0u);
}

TEST_F(ServerTest, ANewCertificateIsForNewConnections) {
  Caller before(server_->port(), certificate_);
  const ServingCertificate next = make_certificate(kNames).value();
  ASSERT_TRUE(server_->renew(next).ok());
  EXPECT_FALSE(Caller(server_->port(), certificate_).connected());
  EXPECT_TRUE(Caller(server_->port(), next).connected());
  EXPECT_NE(before.ask("GET /healthz HTTP/1.1\r\n\r\n"), "");
  EXPECT_FALSE(server_->renew({}).ok());
  EXPECT_TRUE(Caller(server_->port(), next).connected());
}

TEST_F(ServerTest, WhatIsNoTlsHoldsNothingUp) {
  std::vector<base::Fd> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(connect_to(server_->port()));
  base::Fd rude = connect_to(server_->port());
  ::send(rude.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
  EXPECT_TRUE(Caller(server_->port(), certificate_).connected());
  server_.reset();  // and it ends at once
}

TEST(ServingCertificate, GoodForItsNamesAndTwoThirdsOfItsTime) {
  const ServingCertificate made = make_certificate(kNames).value();
  const int64_t now = ::time(nullptr), day = 86400;
  EXPECT_TRUE(is_good(made, kNames, now));
  EXPECT_TRUE(is_good(made, kNames, now + 59 * day));
  EXPECT_FALSE(is_good(made, kNames, now + 61 * day));
  EXPECT_FALSE(is_good(made, kNames, now - 2 * day));
  EXPECT_FALSE(is_good(made, {"other.svc"}, now));
  ServingCertificate mixed = made;
  mixed.key = make_certificate(kNames).value().key;
  EXPECT_FALSE(is_good(mixed, kNames, now));
  mixed = made;
  mixed.authority = make_certificate(kNames).value().authority;
  EXPECT_FALSE(is_good(mixed, kNames, now));
  EXPECT_FALSE(is_good({}, kNames, now));
}

}  // namespace
}  // namespace flexai::control::webhook
