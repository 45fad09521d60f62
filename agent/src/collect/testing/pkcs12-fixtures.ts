/**
 * PKCS#12 files as OpenSSL 3.0 wrote them, each with the same certificate for shop.example and its root. The password of
 * those that have one is `fixture`; the private keys in two of them were made for this and are used nowhere.
 */
export const PKCS12_FIXTURES: readonly {
  readonly what: string;
  readonly password: string;
  readonly file: string;
}[] = [
  {
    what: "with a key, AES-256 (OpenSSL 3)",
    password: "fixture",
    file:
      "MIIGHAIBAzCCBdIGCSqGSIb3DQEHAaCCBcMEggW/MIIFuzCCBHIGCSqGSIb3DQEHBqCCBGMwggRfAgEAMIIEWAYJKoZIhvcN" +
      "AQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjQ4eILW7yL9AICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQME" +
      "ASoEEKZWZwXRhoySAgywPH939++AggPwSlZeMfA7Uv75Y/isZ+ZDm2FP7cxGL+/OM7wwSFIY2tqunCdiwPjDFXw5o9fVTBEk" +
      "yQSdiDkJOYiZ5QO8/DNeVjjmQZft5fvDvTFQYslUqXG9xVsy8DD08DesT60HREqHX1UbyRTnTre4qgVjDnxa4rphVSftEyD0" +
      "0s02uF9iG6mDJigbWw+fyfn4y17i5Uru08j9vX8vtQQH56iSKCDSi8nN+gjOi5crBlTpRoKcHHFWP3PqntGzRFNHhuNbHXa3" +
      "EjnfQWlx/Z0b2nlJ5W1zMgxf/5E1ToQKJvZnmVs1mkiNA+QgLy2clChXLiJt8K/2+BdfyDxnEQPStx/8IyJLJZXOWMzRRr7N" +
      "chaTP+1YH7Sn0jVAeBVxoVDOk7saXM2nuHMcBZAOel6mn0jVF1CPQ+59hkAyxJUE0poMtHEZCbvQV7dI7WsBYAqv3do52STc" +
      "PiE6lzbjPaMyCbhIdlJu1/Qn751FXJ/3K3GRErnhcBInQqNXWokEIU+duh9hj7fNrXw8W2PjgAbuJ8yuK7KvS22XhvmVPzYK" +
      "vNnCQZ9aMmXdgHYNxIRWD2lY4S6HfWZuO6PqazjiCqvk17CuY6oTajBcWsequPUYxVZF9eoUUbS2CjJiHwyUdIqL5j0jec0j" +
      "U3PCYrXDDHrcd9oWZ0XV5xldTsiJGKZ+CzTUE7Fxa+N6/qXxVMRo4/SsLPfoYuiRRCivwJJNd7Q74SvO6E89coX71WgfSrtc" +
      "FNoEv8usr3JOnaKZI3k8WuQk5IBlvGJpg7ZXkGXcvRLgSmjJmFk39z8kyG73BKAOFXcknbYy4af8OZuobmEtf8vZ/7X07t8l" +
      "8NBPkevJgRtNFY88i+98ErlObgyn1m7/t6eWfm0mXBNNibghHIEU5fY/J84TcBm9UOnrgqVaZ+RPGbgRvMs+RckJ/BeylOPZ" +
      "1nEIK+Dvd4fcQeCfAfWAGNkmjqHSuAOcHoes62y2Q45O40Mm/+16h78wApVS9mNiPPSN7E3QRJhMtdmvW+Wvlmpke9TUZwxK" +
      "tPOXsiFNUTpmtVzDJefie8FMT+SBLdPd058JhopTWpy31POxZOKYyP1lTm1JN0srhGbpx1otIn55msGUZwvQOilztv1WFwfy" +
      "zPRg7ECATX69TNeEIyJXlhmy6qwRWgMmbwUqHYU6yic1uc01fbpsKtBwv9Zvp3O0ekzWxfwHhvWJ+/k92euPaGtZOE/83gYy" +
      "AQNow5CBv9JaHJBj0lFWp7cN2gHvNmXOBXxkEOWwISx1qOgrDVBUVeHkx1je7qqofjVZ0CB9NUN1295yJKss/bWL6JsAhw3x" +
      "oar6gullFTt+jZ96QWD79EppzxflLHVPMIIBQQYJKoZIhvcNAQcBoIIBMgSCAS4wggEqMIIBJgYLKoZIhvcNAQwKAQKgge8w" +
      "gewwVwYJKoZIhvcNAQUNMEowKQYJKoZIhvcNAQUMMBwECLk5et/ak8WEAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQB" +
      "KgQQKMkey9akxF765T+7CQ3qvQSBkGEzBOXFnyjaLg62CfbFloBSIaMpMQRtLdUoBcBfRkxCshmYA8OatvU3FlN6HpCYrVZg" +
      "WUYvlxICm9DTocQ2FPUXD62eRIngZGNf9Sqyf5ipC8VtUg0f8FzsAyA3JRAEjiLqQxH0pmI8zUidzLAiqEZb3ARXA447J80G" +
      "rjwGqbnaMQpcWFtGX1Rya7J7RPyLDjElMCMGCSqGSIb3DQEJFTEWBBSLWjDdqPqd35YZzMICwfGuwAUOhzBBMDEwDQYJYIZI" +
      "AWUDBAIBBQAEIJTF02Uc74AY60s8GnADAI1Sy8Td6LtvrW/MF1uRK58XBAj/GVILZTu2xAICCAA=",
  },
  {
    what: "with a key, RC2-40 (OpenSSL 1, Java up to 16)",
    password: "fixture",
    file:
      "MIIFkgIBAzCCBVgGCSqGSIb3DQEHAaCCBUkEggVFMIIFQTCCBDcGCSqGSIb3DQEHBqCCBCgwggQkAgEAMIIEHQYJKoZIhvcN" +
      "AQcBMBwGCiqGSIb3DQEMAQYwDgQIJPouEAA+0qkCAggAgIID8PKnrbdacmyerEWQ5fhFALvVuK02MReUucjj1JNnldvBuJiN" +
      "QdBrAou8tSAqWlpoBWssCxEQSZFgIO/zL3AzIEBGJrVadhb/JsBzMEV3Cv4ltd4YBaI86/wui9O4Tt8J5GaOdK57JxrbPlNi" +
      "OoNx7YRLgM6cSAcyUtEl960GTZQFN5RSiJFWLilbLn5Y+3aI+TImOgaCE7WoW1esjDyjtGH4kmp/UV5K+hPb2MGcZKF0cVTD" +
      "WSwpx/PJ4JUd60ZhrjWtPJxxqW65k5IjjuB29XLpHaXejomNmuSYVW0z/KtkXgel+dAlcMTcTsVUp+E7AbMSL/LJdRuA6cB5" +
      "unfZ2krUCXmbT1V33c7U+4SkDpPlpct/tFTMdVvjFMnzYDL+OEsbjAOFhtOxI5mXAUkAXzwKRRX5CR/w571Td5CrGWZQPbQW" +
      "4p0CoN0rk2DZzlgTQdCnR2heGlbFUXvTBRysqGVXP0DChp1e7C17ssgn63+ExmIu+8MUyij6M+iYTDi8qEOWHsWtNEuUc0KW" +
      "BNlOANSKX1B5ncZWt4I4DmwMoqxEQ6z1JXoenq8NJ63AqhYRzp/q7SFQzFwf8oDJ29MZus6/qBgGjp42WjhCX9Xrt0OQ8X0a" +
      "mkjJbsMKlQiEBEgDMnHes6UaVgGuWW529BJB4R+effJCJUEpdtCRq3sF9hvHNsggZ2N6OBoStCiJTnc+mTsair+zC2fjNhTu" +
      "iGbkzFK6HtrmR6uN7386RORoEknC7oV8VTOQKRcq8PZUpRzFWA2FERkvutdLp0oSIxzAiMY+269U+KnVaOnfepdPvvxDc/fP" +
      "XqAqqszJv9LPJr7OdjIkX09yzvVFl1DpVlOVkK7xXf7IuYdYUuIvsRnGg2l4oaCuSrT+VgM0eIIP0K6E/wi0dF3tJSUvYVr6" +
      "fXlJJSL46WNsEOlAhSz6JaMNi2nfgPB2HO0QvOqHEbvFHdBgtiNIsi+KSfKl9G4pb5jG00XryhQi8mQQ/ZbIlRP1VOL9Aywu" +
      "TX0NbGEPfXv3wMaX5g7EpL8nXRRX9UYftCtLKOEynsQSvDNn22E+YxJns6FmgKp8rf6FNjImVvVQxempHoN7w65GtZhr4gbd" +
      "l5p78VG5KCQtciJWTX3saNXAM46uUIA1qRCKijdHkC0IPFwq2h1wQnufnkUn4XKFxvSqQmyCgLaMKsl9AgxPKZzm2LomQ4z/" +
      "K81uFkoUpavriZLaX06dmUA2S8ZPwxa2VFDJGyWqnKyyIqFwA21zTSo9o1IPkRBIad7JG6nU2GZYe48EeHxo9QTByk0pwuzK" +
      "lPT9uLRUqa7IfC1wqDiFfhLDL6Rie+8Jqkvph5QkVo/2X1FM1DCCAQIGCSqGSIb3DQEHAaCB9ASB8TCB7jCB6wYLKoZIhvcN" +
      "AQwKAQKggbQwgbEwHAYKKoZIhvcNAQwBAzAOBAhTFQQ8+PyUcQICCAAEgZBegnBX9DmqBnpKm//1FL0vx7EI2iw5yL2cIAAV" +
      "97BcKFkoz0cGDriUvXEimoudBC6zPEc6uIJ7dzOstHwIB9eSJ4d5K67bGzdcbLuv5eC/SncN+pQk1VqtO7mlDnQ1X1lUvBna" +
      "20UIkIc6yFj+kJ6kmWfuHzrXtIbNw/5N3OCklPHFEK5yGunF0tsvo3AJ/LwxJTAjBgkqhkiG9w0BCRUxFgQUi1ow3aj6nd+W" +
      "GczCAsHxrsAFDocwMTAhMAkGBSsOAwIaBQAEFAeIGOR5joeMUaEfudUu5rkZSbZXBAjLXsnjTc/oeQICCAA=",
  },
  {
    what: "certificates alone, triple DES",
    password: "fixture",
    file:
      "MIIEZAIBAzCCBCoGCSqGSIb3DQEHAaCCBBsEggQXMIIEEzCCBA8GCSqGSIb3DQEHBqCCBAAwggP8AgEAMIID9QYJKoZIhvcN" +
      "AQcBMBwGCiqGSIb3DQEMAQMwDgQIvjQ4M+QgOL0CAggAgIIDyLt927OEgGtzCAfxMVSEhnrosZNbbvv0AH6Df6DvHPORKknT" +
      "8ugDK9Hc4xxsv70Ka3H+9+VO/ydDxXl8112cYfco8CKKZ6cTE36ix8O9h71iWDeJnESPeLlIy1+Vpe3qrukSdmlt7TdKi+v9" +
      "ww7yURksYUYUjCqG+mkfH4n9/XEMUsMBuR48OTU/Qw38DVmpG8OBQFgjkH461dfaGBVOIcMacLE9lfRw3JLHxpbqBROHX7/z" +
      "YpGqTisN2kaVww/1Lrjg5q4iaOig8kgOkwbr44N5tedTKMYSOpkUQu7GLiqgVy7ZelhM13+84u9fmkizVCSobljW9j7FVXFc" +
      "YgGbNQ1NDpTUAhCcEdKZtSLitknOQozTu0hnIBDZzujMdWzDhFP3IuSf7jjHU288hqYCczl2Zw/ntHtZ3zKlhMYMgO3HtMsY" +
      "etN9Brbk9hfV7zCzgnsp2PFlGtTyNvsu07QmsRc+3RhhWV0khDW5ZBysfBA5D4dep0ZXXdME0WEQy0Gy2S0HaFGRTrpVkow6" +
      "A2ZTxRI2A1oFjwZttY093SnyJhKBcXV3ulRByFySMKQ+ekIcXBJBL77j1ltebMX2hI/VxsHzdqc6JVfbrJ4J2MALeroPJl5l" +
      "qHOMEsfMCBpqKsCj4Q5fc0ou7w4ePuxYiRWSUJosvPwd9HM26rCQ5BPsM7aZDRiqtoGAvJrd+Iet1upJ1BiBwbIlUnOZz804" +
      "XE+1udc9vWFHtO1ObkRr7DuMm0R60QAJXqo5PrKhNO/oBfbxmxjudXV3eXNVhmR90iAvHc4pZn9rUgQoyuADyT230be1YHX9" +
      "uzkR4vIJ+Fst9QIokBxbSl3Fl0u79Lkwlq/dtFcZTjU5rDRgW1AJFcylfEH3w+ldVPV+/1TVObr/6mV55s7r6D1OfI94HgNT" +
      "23devQ1/0qHLO6Vk+aCrfxgK+p7FzS973HCaqSe8XDP1erMrT7uAyymI91JJnsV6fibcc+MBtIrg4RRFSbGMuoL4awdLf5c7" +
      "KCdkIULlA6DNlWktaghq+CWwHOGb9V8qCTFMAd3oJtyRY+yV6vJqoDlPFD0jwOQBf+Jk9Prf2hAqG5uIoXkjgquaDuNkPq12" +
      "ih1De8medpiANnKQ9kwFGefTWUJIW9vXPcWcmLxjDSke9D9RZdzPc7ePycE+nFYZ6lS4LpeSzANXFmWHmkhCeYpkFrU17Lzx" +
      "B4IawzO41lOkHxJH+RutmRrRux1pZsen5rS9bEmu0HGAjqQCfYVU3y+V1sUByN3mY56DlEBR2cwZG/RvNGrNTaC3qSDFMDEw" +
      "ITAJBgUrDgMCGgUABBR5v1y5uRcLAAvh7vLNHpr99b7B6QQIMTVBt2hRG+oCAggA",
  },
  {
    what: "certificates alone, triple DES of two keys, MAC with SHA-512",
    password: "fixture",
    file:
      "MIIElAIBAzCCBCoGCSqGSIb3DQEHAaCCBBsEggQXMIIEEzCCBA8GCSqGSIb3DQEHBqCCBAAwggP8AgEAMIID9QYJKoZIhvcN" +
      "AQcBMBwGCiqGSIb3DQEMAQQwDgQIsthywh0xHLUCAggAgIIDyE3ArZI7p/NEvPWxsiX6dwNwSl7lR7VjtHwGjC4qeLiaS9Oo" +
      "GknHvxiI5WYSExSt2eZVE4u2e2hRMJxDvzkRYWLjJ7CI5GCHVIEDl+zFVU8RtP2dzLbUTYyLRaLTNqK+8CtTyrN6rHccv9E0" +
      "y96bg1YqJ8d0kDND1yayGV1rP/j/quveQhc5jofWIpGHrfB7+nqR+thp3vYdcpggi5U1AZUl60XjJ2jxo5DtdTXiZqBLujvA" +
      "F29AfI0jTez0El1YfX3sJBxymN7DWpfaV0eQWnffZj0fnfGaSiTYcbYdViuuqMKxIz/dXwxu0eqUn4mwX4K62Bp8mpX6aw6Y" +
      "6b1+4DzRKRfxwXbKb+mx+/b0zPE0qD/3ELhGDbfMPHrp2x939P2yOHvT5H30tirwSexP+d2weQxdfsSsCHcenGjvc++OxnRq" +
      "KAKcw2lzu0xmKrPYdYY+q5BuSwZcYLETHTBDPOuQomNjAMa/MmFCOXSBjQD/KcBR+T02344af+0jykOSbC0SP50ruCln644B" +
      "yFr9mvChrL/r/EloARKhWLqHcHY+UYh79+TIDTWwvc/31VR3i5NUl0AQCj6q711JkUD8+77BVTNrv8Gdw6Q500aBcNQ9H3cd" +
      "h+S2NEG0lFPYh6SB2JsTc6aRKotRnMEV0lHIOdpZAc4aCKJ3YQXSqPnEOdzslAMquq2hsq1bRVklNL6U1WT9LFXgD6OCNHkw" +
      "LZ1Z1b4PALQeqXq+1a+M/7pin1xvuDkqX9OpDQTfUcxQEKlk+WN2mqKV/Wo9q9LrvkcAVfBVIPkcNyBZfdWZs0dgwU7yDcns" +
      "RLZxojAqkiC0AksynFHKtgcXD5e0h75Y8QDUFBoxGrqDvJhi9nC4w3TFMO0eUpeJBl8Xw5XXJADXjHh+yV4DVVR/TOBOs6WZ" +
      "npB068nfOLN1CyUg/rxACdvpwSJ+UXI9RP1/btOUxlsUNwvV9XlQQkkr+ShPgc4aQORkbiWp9HQny1MHduq4EoWqYTmSzv3J" +
      "aKno0GvtAAjsS4J1+Tocm9ikVW5dRMZMberX/gpXA62xC2i4Xnr1fSwetV+gJCEBYbt8OjtUXITrtENgyp42YR3yNPQoBJA7" +
      "yD2Ivl9ioPpgSTHYiuOymjvJwBAow34EiozLv0KUJtQrsuTDBCsldHGzHaywE2ksnzEeap7PT6NVuly703ILJlmAfEI4ThCC" +
      "OAYohgsMjClZWM5zhtn1i0kTuL3tOWv+tTQXDWyYyIDZqGmFDVMs5+8v2AjW3lvG385ufiVNNjpwkaVTKbM1Bo7HYZO7MGEw" +
      "UTANBglghkgBZQMEAgMFAARA0tJ4gNoZLFNDoTUmNjH3LQy/4j5IGHqJ5pFm6xfvAit4bpkYMN1fKdU6NF2UmqweNebx2TRN" +
      "AD6k/slJ1OWHHwQIRxsV4UXSqLUCAggA",
  },
  {
    what: "certificates alone, RC2-128",
    password: "fixture",
    file:
      "MIIEZAIBAzCCBCoGCSqGSIb3DQEHAaCCBBsEggQXMIIEEzCCBA8GCSqGSIb3DQEHBqCCBAAwggP8AgEAMIID9QYJKoZIhvcN" +
      "AQcBMBwGCiqGSIb3DQEMAQUwDgQIGPEwGX0riDMCAggAgIIDyFxCuqpCC7BVJKtuKZKwqoSuDRCyYPjpQAFVK/xFf7oOrZ1q" +
      "0ei0CbUww1QVRLqndz/xuc1CScttXQxt+0wWWRCbfdxuzQoW3iavgX5fId/CEtkKxl+rBNU59nPgfRVrsttkKDbT6hAJUSUF" +
      "kPSRwfP6e93a6p9mXl+BZvtxns9fmCq0KLx+KZL7+jijwJ26/HDKKMJNyLahVrBHq4uD9dcnYz8WPtLAdTQ9YiGNvQQOzMhZ" +
      "bpceDfumRWiQpa8ghGwlB+ftnWaWMXdfSGXsDs1iGLo9UMubAGNqWg9n+lLeo2IbZNylbe4tp00OXp87J+CZXdhJ2T1+5VVd" +
      "EtJ8YxkSLf0JmFqnIN6oDJwgaj1ew4smTXtOXds+80BeqTa4VGIFLcTIqL/E77/AgpKUPbB8uRdr1kWTzJNR/6v8V56zOfoi" +
      "iHr29yra88cSmjFhmTXXnadTOPnLSGURF5Qa8iBu4yjqyVZECW9PU5P0YMrJoCVUmyyKpn79d/EeLjpi29S+kvi0sP+P8Wov" +
      "GJrcCW0EUIAFKfHGmE8ZCvvaL+SNacZSjnh3Zp/k/63QXqrBmgNifRNvK3ck7wy4PMLGfapOfRbd/GL/+dNHXXkoCAMfgHkt" +
      "59fARtZ4qqUWZvKRb6dTZzT7jRHTjdO6GbMeHne/wl+BKrXjThE4FLaxwiPfhnypYDrFzyQGD4lHQ7bdq2vRq+qBupOJTPyj" +
      "NqWJAcZck/5LBPwmIp7PCrIaT7yswwfgrVzbaDgrfNdtXNih607mObDG5poMFDcwwvLruXximE+tM3QhN4fXgtL7PJJVI20b" +
      "75t7AUk3tbHsnxgNRPXGKZVQCAlILXJ+7iE+/kqLmGLucXN2wr0yvf+sS7fM/VnRExsAjy22EdHPUWfhCkdPM0grXQsyEjcv" +
      "dLUy2eIKldxDUMCSdMDMijwgOLe30Shmkp71p1SYYryjB8mHzsVZiJmTbuCOhk9im78j/vQp2Xs2HTcG90A7tPteOadvj/JK" +
      "TH9xq0cg/AmKhhJw4EPTYmn7IKQh4k8TEAl5kXw3tt/M0XAdwSB/iKxJ05fZjzSkOSyYH++kxgtZ7FcywiWfdrmCcVDkifo4" +
      "tUQCHADkwK3IV0+sOD2dku2oeiLOoasvafgzZvFiWxthytYsiekevGBxEu3osMx1UTHiRvKaP9C8brWUEt6NFWROxy9qoUEf" +
      "uAUzIG4UkYpSqsE01dbmH3lJA7jLbWl8HwNfLaMCrmcAy2fvmKhrPhZ7Phdp6L71/X0H3P5kDn4/1F1dxBG8hBslNko+MDEw" +
      "ITAJBgUrDgMCGgUABBTLAvdHDoxwAYPFzg/UTGhpXtVOFgQIjqFaKbR7T0kCAggA",
  },
  {
    what: "an empty password",
    password: "",
    file:
      "MIIEtwIBAzCCBG0GCSqGSIb3DQEHAaCCBF4EggRaMIIEVjCCBFIGCSqGSIb3DQEHBqCCBEMwggQ/AgEAMIIEOAYJKoZIhvcN" +
      "AQcBMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhum6tkgVjzDAICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQME" +
      "ASoEEIkQwtIG4x9d4Fv88j+Rm8+AggPQ0wuKl76OXKu+Zpw4MG9Y42hDPMu6HK6a2l6wnEqMgB7umEMX/O6pIZvUWj0BvD50" +
      "Xd6KhCM8wsBGPcjL3T7m1P0zVqXzl0IvwQBthCaW0GvAcwkbVo7nCmONvzgoJL0PmI+ELohcs7xWCwMcG631KCLTDyw7bToG" +
      "pEaXtR8k5np1E32mABJy9DE91B2yE+s5Sb7XFRHLjkBtYNxIrlEpfq4F/ku6NlEPeDviN1vV+PLRjeYgG2vDZ4Pr0Ec1S3nU" +
      "FOvoWttx9O6ApvUZjvDoo4VjJz3PRrXlzGRFCSvr4rF7VvJqH7yHTKC4bDOe1xn7yN/M/LK9RzIYZ3i20UM+Up+iqfagCNX8" +
      "/LlPLDxr/F2JbiMrwTasI8IKFfPg/gHmmAUD1aDxeAR3dqOe+k/Z4qaXB+lbh7oZ4uFjnwrMDBchpQuWSZJzEzM5BzKOCJ25" +
      "60KWhiMBDZUhMZL28dnXZLlsN/WERl3h22tcVN9oNUFJ6Eh1OIjRUN9eknxczrMfxCWnvXEKPMLehSmlOodsljexvrolzDH6" +
      "h7dxxUNPNbVyPRT5h/WNNVu+n1bC/gchL+3wPTSZu4F/Au8w3spyR0FXdo6ub/QT3RHTwOq3L8FqdjeGFFAjGU+p+4ntIIH3" +
      "oqyBypywVt+YsBj9WNs1MbJBMdiV+fmtvvKxvWt5jWhmM7UEbz1zFWuHWQs2Ucsh0JaBYL4PzvknkKi8ume0DzOLID5afa16" +
      "dNWt/C2NL/MHzBtjmo/anMeqM/5GKH58MJLZ6aGz4EZRbfjLThyP7vAL7fjwHXpicR6qZ1mc4x0IEHrYcA5hxrA3ldRRQ4pC" +
      "b14dt/KWMvascgig/9dCn2Dk5U5pC6aQcRZh8tREtxf+2D/ArSplu/lyUv6pVwfmtkwsOy8w4i70lsC19v0QWr+TaaKHn5DO" +
      "vZ2V3Zwqz5KwFdM+fhVb7EljH10Gu0W9r+hV6zWOpolYC7jmbZkZqNSBZu8/M6gZQ3poF4HngaR5+7+xvZJSixwsUJjjdv/I" +
      "s49/e2KIhRJv8Tj03aczTUWDIX/FChJKup8tbClvq52j+wEkZKlZ0560ByjEfSIkBqKyTrBFiWydv3J18nrYlh3dTArxJ8DK" +
      "oMj/z2ZUyrzXzwQkqOMIyLbypeCiRvJ7vz4jvUB9rcT9fLGkdf5d+6a353gRWXr/GBds2oRwaZHkidE/wlT0IaW8DWUOHI8S" +
      "1W0Nboh8zJE8cs6MqDOI+oVpprA0tr7qFY44ycbIvBNBWnrH+w5tCzRviEKIsMCas7uTJf2qvvqZWJ0fopp6nDBBMDEwDQYJ" +
      "YIZIAWUDBAIBBQAEIJHotmHrURgBzHfdSzqhiiKN1DLzxyne6MnrAq1KmMX4BAi3Lxe+iAEc6AICCAA=",
  },
  {
    what: "no password, no MAC, not encrypted",
    password: "",
    file:
      "MIID+gIBAzCCA/MGCSqGSIb3DQEHAaCCA+QEggPgMIID3DCCA9gGCSqGSIb3DQEHAaCCA8kEggPFMIIDwTCCAeMGCyqGSIb3" +
      "DQEMCgEDoIIB0jCCAc4GCiqGSIb3DQEJFgGgggG+BIIBujCCAbYwggFdoAMCAQICFGgnVr/sHXbI5ruWAHVcDJ5BGWHuMAoG" +
      "CCqGSM49BAMCMCkxEDAOBgNVBAoMB0ZpeHR1cmUxFTATBgNVBAMMDEZpeHR1cmUgUm9vdDAgFw0yNjExMjIxMzAyNDVaGA8y" +
      "MTI2MTAyOTEzMDI0NVowFzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEch9/ySzX" +
      "yY+WDFzwadK/cSGH2VGUOiBAV/zDwCtmOsRSA8qCfas2k15MkyYQjxYCen2Os4W+uEOYulauVnvpsKNzMHEwLwYDVR0RBCgw" +
      "JoIMc2hvcC5leGFtcGxlghB3d3cuc2hvcC5leGFtcGxlhwQKAAABMB0GA1UdDgQWBBQ524MwOOJX9kkO/zKdMUgjLbMd8zAf" +
      "BgNVHSMEGDAWgBR3YxVazqKQ1dQ0o2+Rtmlbddag5jAKBggqhkjOPQQDAgNHADBEAiAYLWeoZZOo/+NBchy7cICkYkjKXrF0" +
      "OCqpYwr+RxzNwQIgcvhbn1Q1bUxFq/eGy24AMLycmADk1MJybCyjl20DGGQwggHWBgsqhkiG9w0BDAoBA6CCAcUwggHBBgoq" +
      "hkiG9w0BCRYBoIIBsQSCAa0wggGpMIIBT6ADAgECAhRc3FruyJ7j0GRJqnwcPt5dFQdjhDAKBggqhkjOPQQDAjApMRAwDgYD" +
      "VQQKDAdGaXh0dXJlMRUwEwYDVQQDDAxGaXh0dXJlIFJvb3QwIBcNMjYxMTIyMTMwMjQ1WhgPMjEyNjEwMjkxMzAyNDVaMCkx" +
      "EDAOBgNVBAoMB0ZpeHR1cmUxFTATBgNVBAMMDEZpeHR1cmUgUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL+ONIiq" +
      "51n0v0LdiiPcz2XGfV+Qsmc8wSRUyGj6NlIxlYo4+Pn0R9VErj+X91porNfzVMaE+LN6fxzScUVsIYijUzBRMB0GA1UdDgQW" +
      "BBR3YxVazqKQ1dQ0o2+Rtmlbddag5jAfBgNVHSMEGDAWgBR3YxVazqKQ1dQ0o2+Rtmlbddag5jAPBgNVHRMBAf8EBTADAQH/" +
      "MAoGCCqGSM49BAMCA0gAMEUCIQCT6oVT2T7s+WeDSdj7RDd+hvZFBblRRAE4bHezLG63kQIgNla7DoPKZyZyIZo+1tYXRYRK" +
      "H25I2lY3xjlgDuIIDM4=",
  },
];
