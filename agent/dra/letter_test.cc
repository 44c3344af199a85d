#include "agent/dra/letter.h"

#include <gtest/gtest.h>

namespace flexai::agent::dra {
namespace {

std::string without_end(std::string line) {
  EXPECT_EQ(line.back(), '\n');
  line.pop_back();
  return line;
}

TEST(Letter, QuestionsAndAnswersComeAsTheyWereSent) {
  Question question{7, true, {{"team", "0b0c", "card"}, {"team", "1b", "other"}}};
  auto asked = read_from_plugin(without_end(write(question)));
  ASSERT_TRUE(asked.ok()) << asked.error().message;
  EXPECT_FALSE(asked->about_registration);
  EXPECT_EQ(asked->question.id, 7u);
  EXPECT_TRUE(asked->question.prepare);
  ASSERT_EQ(asked->question.claims.size(), 2u);
  EXPECT_EQ(asked->question.claims[1].uid, "1b");

  question.prepare = false;
  EXPECT_FALSE(read_from_plugin(without_end(write(question)))->question.prepare);

  const PreparedDevice device{"xpu", "card", "card-1", "2f4c", {"xpu.flexai.io/slice=k-0b0c-0"}};
  Reply reply;
  reply.id = 7;
  reply.claims["0b0c"] = {"", {device}};
  reply.claims["1b"] = {"no \"card\"\nthere", {}};
  auto answered = read_from_agent(without_end(write(reply)));
  ASSERT_TRUE(answered.ok()) << answered.error().message;
  EXPECT_EQ(answered->reply.id, 7u);
  EXPECT_EQ(answered->reply.claims["0b0c"].devices.at(0), device);
  EXPECT_EQ(answered->reply.claims["1b"].error, "no \"card\"\nthere");
}

TEST(Letter, HealthAndRegistration) {
  const std::vector<DeviceHealth> health{{"card", "card-1", "too hot", false}};
  auto told = read_from_agent(without_end(write(health)));
  ASSERT_TRUE(told.ok());
  EXPECT_TRUE(told->about_health);
  EXPECT_EQ(told->health, health);
  auto registered = read_from_plugin(without_end(write(Registered{false, "why"})));
  ASSERT_TRUE(registered.ok());
  EXPECT_TRUE(registered->about_registration);
  EXPECT_EQ(registered->registered.error, "why");
}

TEST(Letter, WhatIsNoneIsRefused) {
  for (const char* line : {"", "[]", "{", "{\"id\": -1, \"prepare\": []}", "{\"prepare\": [1]}",
                           "{\"id\": 1, \"prepare\": [{\"name\": 5}]}", "{\"more\": 1}"})
    EXPECT_FALSE(read_from_plugin(line).ok()) << line;
  for (const char* line : {"", "{\"id\": 1}", "{\"id\": 1, \"claims\": {\"a\": 1}}",
                           "{\"id\": 1, \"claims\": {\"a\": {\"devices\": [{\"cdi\": \"x\"}]}}}"})
    EXPECT_FALSE(read_from_agent(line).ok()) << line;
}

TEST(Letter, LinesAreTakenWhenTheyAreWhole) {
  std::string buffer = "one\ntwo\nthr";
  auto lines = take_lines(&buffer);
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(*lines, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(buffer, "thr");
  buffer.assign(kMostLetter + 1, 'x');
  EXPECT_FALSE(take_lines(&buffer).ok());
}

}  // namespace
}  // namespace flexai::agent::dra
