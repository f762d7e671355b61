"""Makes vcred/qr/dictionary1.bin: names and structure of messages of this profile, the most common ones last.

Nothing here comes from a certificate. The file is frozen: a change needs a new id and a new file.
"""

from __future__ import annotations

from pathlib import Path

TARGET = Path(__file__).parents[3] / "vcred/qr/dictionary1.bin"

CODES = (
    "work.career work.employment welfare.disability qual.national_tech edu.graduation edu.enrolment "
    "housing.lease_fixed_date id.foreigner_mobile id.driver_mobile id.e_citizen id.resident_mobile nhis.premium "
    "nhis.qualification nhis.eligibility_history tax.clearance tax.income seal.personal seal.signature family.jejeok "
    "family.adoption family.marriage family.basic family.relations resident.personal resident.household"
)
CLAIMS = (
    "employmentType joinedOn leaveReason duties periods guardianName overallSeverity severity disabilityType tax "
    "payerBizNo year incomes until taxItem deferrals businessRegNo taxpayer noArrears validityReason validUntil "
    "signature mandatary counterparty issuanceCheckNo remarks applicantSignature agentName buyer sealImage issuedTo "
    "dischargeReason serviceNo rank branch category dischargedOn enlistedOn military reason personalChanges "
    "applicantBirthDate formationDate formationReason registerState household nameRoman foreignMembers cohabitants "
    "passedOn no item lostOn acquiredOn workplace cardState overseasNational region stayUntil statusOfStay expiresOn "
    "multiChild entitlements citizenKind district province cardNo conditions renewalPeriod serialCode licenceNo "
    "licenceClass managementNo contractedOn fixedDate period rent deposit location tenant landlord judgmentOn "
    "counterpartNationality counterpart history office marriage spouse scan events entries headOfFamily corrections "
    "holder custody previous nationalityChanges permittedOn nameChanges at death birth graduatedOn degreeNo degree "
    "title bizNo employer amount payer corpRegNo householderName rows nameHangul content court reporter place "
    "admittedOn grade school purposeKind to from subject department submittedTo yearAgeOver19 ageOver65 ageOver19 "
    "ageOver14 photo issuedAt registrationBase state changeReason reportedOn deceased clanOrigin changedOn movedInOn "
    "officer role kind applicantName nationality sex foreignerRegNo purpose nameHanja issueNo docVerificationNo "
    "issuingAuthority document addressHistory detail road currentAddress address relatives relation seq self members "
    "householder serial sexDigit birthDate rrn name options variant issuedOn"
)
VALUES = (
    "정부24 (가상) 국민건강보험공단 국세청 세무서장 가정법원 은행 제출용 확인 사실 기관 주식회사 대학교 고등학교 학과 졸업 재학 재직 경력 아파트 빌라 번지 호 층 읍·면·동장 시장 군수 구청장 "
    "특별자치도 특별자치시 광역시 특별시 경기도 강원 충청 전라 경상 제주 남도 북도 번길 대로 배우자 자녀 부 모 김 이 박 최 정 강 조 윤 장 임 시 군 구 읍 면 동 리 로 길 "
    "real_estate_sale vehicle_sale absence_deletion reregistration residence_unknown district_change road_address "
    "emigration overseas deletion split merger adoption birth_mother birth_father adoptive_mother adoptive_father "
    "cohabitant dependent employee regional_member regional_head permanent fixed_term part_time not_severe severe "
    "comprehensive business wage industrial_engineer professional_engineer class1_ordinary class2_ordinary graduated "
    "enrolled leave expected master bachelor active reserve army navy valid replaced withdrawn veteran disabled "
    "senior multi_child library culture husband wife daughter_in_law son_in_law maternal_grandmother "
    "maternal_grandfather grandmother grandfather grandchild adopted_child female male divorce lost completed "
    "head_change move_in birth death resident other member mother father child spouse head household relation "
    "changeReasons rrnBack coarse present past current matters last5 years: general specific detailed full front "
    "dates own none all"
)
JOSE = (
    '{"alg":"EdDSA","typ":"dc+sd-jwt","kid":"',
    '{"alg":"ES256","typ":"vcred-receipt+jwt","kid":"',
    (
        '","iat":1,"outcome":"REJECTED","INDETERMINATE","ACCEPTED","reasons":[],"types":["resident.household"],'
        '"purpose":"","policy":"","retention":"","presentation":"","reference":null}'
    ),
    '{"alg":"ES256","typ":"openid4vci-proof+jwt","jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}',
    (
        '{"credential_issuer":"https://","credential_configuration_ids":["","grants":{"urn:ietf:params:oauth:grant-type:'
        'pre-authorized_code":{"pre-authorized_code":"","tx_code":{"length":6,"input_mode":"numeric"}}}}'
    ),
    '{"alg":"ES256","typ":"dc+sd-jwt","x5c":["MII',
    (
        '{"iss":"https://","vct":"urn:vcred:kr:resident.household:1","iat":17,"nbf":17,"exp":17,"cnf":{"jwk":{"kty":"EC",'
        '"crv":"P-256","x":"","y":""}},"status":{"status_list":{"idx":,"uri":"https://.example/status/"}},'
        '"_sd_alg":"sha-256","_sd":["","'
    ),
    '[{"...":"',
    '{"alg":"ES256","typ":"kb+jwt"}{"iat":17,"aud":"x509_hash:","nonce":"","sd_hash":"',
    '{"alg":"ES256","typ":"oauth-authz-req+jwt","x5c":["MII',
    '{"alg":"ES256","typ":"oauth-authz-req+jwt","kid":"',
    (
        '{"aud":"https://self-issued.me/v2","client_id":"x509_hash:","response_type":"vp_token","response_mode":"qr",'
        '"iat":17,"exp":17,"dcql_query":{"credentials":[{"id":"a-1","format":"dc+sd-jwt","meta":{"vct_values":["'
        'urn:vcred:kr:resident.personal:1"]},"multiple":true,"require_cryptographic_holder_binding":false,"claims":['
        '{"id":"c0","path":["members",null,"rrn","birthDate"]},{"id":"c1","path":["members",null,"name"],"values":["'
        '"]}],"claim_sets":[["c0","c1"],["c0"]]},{"id":"b-2","format":"sd-cwt","meta":{"vct_values":["urn:vcred:kr:'
        'resident.household:1"]},"claims":[{"path":["currentAddress","road"]},{"path":["householder","name"]},{"path":['
        '"members",null,"relation"]}]}],"credential_sets":[{"options":[["a-1"],["a-2"]],"required":true}]},'
        '"vcred_purpose":"","nonce":"","vcred_max_age":300,"vcred_policy":"bank.address-change","vcred_retention":"P'
    ),
)
# DER, COSE and CWT as bytes: a P-256 key, the two header shapes, the registered claims in their order.
BINARY = (
    "3059301306072a8648ce3d020106082a8648ce3d030107034200 04",
    "300a06082a8648ce3d040302",
    "84590100a201261821590100",
    "a1181182 583283 50 4b83 50 5183 50",
    "d28443a10126a0 a10126 a2012604 48",
    "d8348158205820 d83c5820 f83b815820f83b825820",
    "08a101a401022001215820 225820",
    "19ffff a16b7374617475735f6c697374a263696478 1a 63757269 7820",
    "82 02a101a1 6161 8182 02 59",
    "d284 58 a301260d d284 43a10126 58 a301260448 00 10190125 10190126 1827 a0 a3 0378 35",
)


def dictionary() -> bytes:
    """The dictionary. What deflate meets most often stands last, where references to it are shortest."""
    codes = "".join(f"urn:vcred:kr:{code}:1" for code in CODES.split())
    names = "".join(f'","{name}",' for name in CLAIMS.split())
    texts = "".join((VALUES, codes, names, *JOSE, "https://.example/issuer https://.example/status/1 x509_hash:"))
    return texts.encode() + b"".join(bytes.fromhex(one) for one in BINARY)


if __name__ == "__main__":
    TARGET.write_bytes(dictionary())
