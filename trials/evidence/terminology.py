"""Controlled terminology: the terms of CDISC's published code lists that our data sets can hold, with their NCI codes.

Facts of SDTM terminology 2025-03-28 (NCI EVS, https://evs.nci.nih.gov, free to use). A list that CDISC calls extensible
may hold more terms than it publishes; ours then say so in define.xml. A name that is not here is a list of the study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VERSION = "2025-03-28"
"""Version of CDISC's controlled terminology that every list here is from."""


@dataclass(frozen=True, slots=True)
class CodeList:
    """A published code list: short name, NCI code, title, whether it may be extended, and terms with their codes."""

    name: str
    code: str
    title: str
    extensible: bool
    terms: Mapping[str, str]

    def decode(self, term: str) -> str:
        """What a short name stands for, from the list of names beside it; the term itself where there is none."""
        other = CODELISTS.get(NAMES.get(self.name, ""))
        if other is None or term not in self.terms:
            return term
        return next((name for name, code in other.terms.items() if code == self.terms[term]), term)


NAMES = MappingProxyType(
    {
        "LBTESTCD": "LBTEST",
        "SCTESTCD": "SCTEST",
        "VSTESTCD": "VSTEST",
        "PKPARMCD": "PKPARM",
        "TRTESTCD": "TRTEST",
        "MUSCTSCD": "MUSCTS",
        "ADCTC": "ADCTN",
        "GFTESTCD": "GFTEST",
        "TSPARMCD": "TSPARM",
    }
)
"""List of short names to the list of names beside it."""

# fmt: off
_LISTS = (
    CodeList("SEX", "C66731", "Sex", False, {
        "F": "C16576", "INTERSEX": "C45908", "M": "C20197", "U": "C17998",
    }),
    CodeList("RACE", "C74457", "Race", False, {
        "AMERICAN INDIAN OR ALASKA NATIVE": "C41259", "ASIAN": "C41260", "BLACK OR AFRICAN AMERICAN": "C16352",
        "NATIVE HAWAIIAN OR OTHER PACIFIC ISLANDER": "C41219", "NOT REPORTED": "C43234", "OTHER": "C17649",
        "UNKNOWN": "C17998", "WHITE": "C41261",
    }),
    CodeList("ETHNIC", "C66790", "Ethnic Group", False, {
        "HISPANIC OR LATINO": "C17459", "NOT HISPANIC OR LATINO": "C41222", "NOT REPORTED": "C43234",
        "UNKNOWN": "C17998",
    }),
    CodeList("AGEU", "C66781", "Age Unit", False, {
        "YEARS": "C29848", "MONTHS": "C29846",
    }),
    CodeList("NY", "C66742", "No Yes Response", False, {
        "N": "C49487", "Y": "C49488",
    }),
    CodeList("ND", "C66789", "Not Done", False, {
        "NOT DONE": "C49484",
    }),
    CodeList("ARMNULRS", "C142179", "Arm Null Reason", True, {
        "ASSIGNED, NOT TREATED": "C142238", "NOT ASSIGNED": "C142239", "SCREEN FAILURE": "C49628",
        "UNPLANNED TREATMENT": "C142240",
    }),
    CodeList("EPOCH", "C99079", "Epoch", True, {
        "SCREENING": "C202487", "TREATMENT": "C101526", "WASHOUT": "C42872", "FOLLOW-UP": "C202578",
    }),
    CodeList("ROUTE", "C66729", "Route of Administration Response", True, {
        "ORAL": "C38288", "SUBCUTANEOUS": "C38299", "INTRAVENOUS": "C38276", "TRANSDERMAL": "C38305",
    }),
    CodeList("FRM", "C66726", "Dosage Form", True, {
        "TABLET": "C42998", "CAPSULE": "C25158", "INJECTION": "C42946", "SOLUTION": "C42986", "PATCH": "C42968",
        "INJECTION, SOLUTION": "C42945",
    }),
    CodeList("FREQ", "C71113", "Frequency", True, {
        "ONCE": "C64576", "QD": "C25473", "BID": "C64496", "TID": "C64527", "EVERY WEEK": "C67069",
        "EVERY 2 WEEKS": "C71127", "EVERY 3 WEEKS": "C64535", "EVERY 4 WEEKS": "C64529", "Q6M": "C89789",
        "CONTINUOUS": "C53279", "QM": "C64498",
    }),
    CodeList("UNIT", "C71620", "Unit", True, {
        "mg": "C28253", "g": "C48155", "ug": "C48152", "ng": "C48516", "kg": "C28252", "mL": "C28254", "L": "C48505",
        "%": "C25613", "RATIO": "C44256", "mg/dL": "C67015", "ug/L": "C67306", "mg/L": "C64572",
        "g/L": "C42576", "nmol/L": "C67432",
        "mmol/L": "C64387", "g/cm2": "C71201", "mm": "C28251", "HOURS": "C25529", "DAYS": "C25301",
        "WEEKS": "C29844", "YEARS": "C29848", "IU": "C48579", "g/dL": "C64783",
        "umol": "C48509", "mmol": "C48513", "nmol": "C48517", "pmol": "C65045", "mol": "C42539", "mg/kg": "C67401",
        "ug/kg": "C67396", "mg/m2": "C67402", "IU/L": "C67376", "U/L": "C67456", "mU/L": "C67408", "mmHg": "C49670",
        "beats/min": "C49673", "10^9/L": "C67255", "m2": "C42569", "mL/min": "C64777", "umol/L": "C48508",
        "pmol/L": "C67434", "U": "C44278", "IU/kg": "C67379", "mmol/mol": "C111253", "MONTHS": "C29846",
        "cm": "C49668", "m": "C41139", "ng/L": "C67327",
    }),
    CodeList("PKUNIT", "C85494", "PK Units of Measure", True, {
        "ug/mL": "C64572", "ng/mL": "C67306", "h*ug/mL": "C85615", "h*ng/mL": "C85624", "day*ug/mL": "C85586",
        "h": "C25529", "day": "C25301", "L": "C48505", "L/h": "C69160", "nmol/L": "C67432", "mmol/L": "C64387",
        "pg/mL": "C67327", "umol/L": "C48508", "h*nmol/L": "C85640", "h*umol/L": "C85632", "day*ng/mL": "C85591",
        "mL/min": "C64777", "L/kg": "C73725", "h*mmol/L": "C85618", "min": "C48154", "/h": "C66966",
    }),
    CodeList("VSRESU", "C66770", "Units for Vital Signs Results", True, {
        "kg": "C28252", "cm": "C49668", "kg/m2": "C49671",
    }),
    CodeList("NCOMPLT", "C66727", "Completion/Reason for Non-Completion", True, {
        "COMPLETED": "C25250", "ADVERSE EVENT": "C41331", "DEATH": "C28554", "LACK OF EFFICACY": "C48226",
        "LOST TO FOLLOW-UP": "C48227", "PHYSICIAN DECISION": "C48250", "PROGRESSIVE DISEASE": "C35571",
        "STUDY TERMINATED BY SPONSOR": "C49632", "WITHDRAWAL BY SUBJECT": "C49634",
    }),
    CodeList("PROTMLST", "C114118", "Protocol Milestone", True, {
        "RANDOMIZED": "C114209", "INFORMED CONSENT OBTAINED": "C16735",
    }),
    CodeList("OTHEVENT", "C150811", "Other Disposition Event Response", True, {
        "TREATMENT UNBLINDED": "C142742",
    }),
    CodeList("DSCAT", "C74558", "Category of Disposition Event", False, {
        "DISPOSITION EVENT": "C74590", "OTHER EVENT": "C150824", "PROTOCOL MILESTONE": "C74588",
    }),
    CodeList("TPHASE", "C66737", "Trial Phase Response", True, {
        "PHASE I TRIAL": "C15600", "PHASE I/II TRIAL": "C15693", "PHASE II TRIAL": "C15601",
        "PHASE II/III TRIAL": "C15694", "PHASE III TRIAL": "C15602", "PHASE IV TRIAL": "C15603",
        "NOT APPLICABLE": "C48660",
    }),
    CodeList("TBLIND", "C66735", "Trial Blinding Schema Response", True, {
        "DOUBLE BLIND": "C15228", "OPEN LABEL": "C49659", "SINGLE BLIND": "C28233",
    }),
    CodeList("TCNTRL", "C66785", "Control Type Response", True, {
        "ACTIVE": "C49649", "DOSE RESPONSE": "C120841", "NONE": "C41132", "PLACEBO": "C49648", "SHAM": "C184727",
    }),
    CodeList("INTMODEL", "C99076", "Intervention Model Response", True, {
        "CROSS-OVER": "C82637", "FACTORIAL": "C82638", "PARALLEL": "C82639", "SEQUENTIAL": "C142568",
        "SINGLE GROUP": "C82640",
    }),
    CodeList("INTTYPE", "C99078", "Intervention Type Response", False, {
        "BIOLOGIC": "C307", "DRUG": "C1909", "DEVICE": "C16830",
    }),
    CodeList("STYPE", "C99077", "Study Type Response", False, {
        "INTERVENTIONAL": "C98388",
    }),
    CodeList("TTYPE", "C66739", "Trial Type Response", True, {
        "BIO-AVAILABILITY": "C49664", "BIO-EQUIVALENCE": "C49665", "BIOSIMILARITY": "C158288",
        "DOSE FINDING": "C158289", "DOSE PROPORTIONALITY": "C158290", "EFFICACY": "C49666",
        "PHARMACODYNAMIC": "C49662", "PHARMACOKINETIC": "C49663", "SAFETY": "C49667", "TOLERABILITY": "C98791",
    }),
    CodeList("TINDTP", "C66736", "Trial Intent Type Response", True, {
        "TREATMENT": "C49656", "PREVENTION": "C49657", "DISEASE MODIFYING": "C170629", "BASIC SCIENCE": "C15714",
    }),
    CodeList("IECAT", "C66797", "Category of Inclusion/Exclusion", False, {
        "EXCLUSION": "C25370", "INCLUSION": "C25532",
    }),
    CodeList("SEXPOP", "C66732", "Sex of Participants Response", False, {
        "BOTH": "C49636", "F": "C16576", "M": "C20197",
    }),
    CodeList("LBTESTCD", "C65047", "Laboratory Test Code", True, {
        "ALB": "C64431", "CREAT": "C64547", "CRP": "C64548", "GLUC": "C105585", "HBA1C": "C64849", "INR": "C64805",
        "LDL": "C105588", "PCSK9": "C120647",
    }),
    CodeList("LBTEST", "C67154", "Laboratory Test Name", True, {
        "Albumin": "C64431", "C Reactive Protein": "C64548", "Creatinine": "C64547", "Glucose": "C105585",
        "Hemoglobin A1C": "C64849", "LDL Cholesterol": "C105588",
        "Proprotein Convertase Subtilisin/Kexin 9": "C120647", "Prothrombin Intl. Normalized Ratio": "C64805",
    }),
    CodeList("VSTESTCD", "C66741", "Vital Signs Test Code", True, {
        "WEIGHT": "C25208", "HEIGHT": "C25347", "BMI": "C16358",
    }),
    CodeList("VSTEST", "C67153", "Vital Signs Test Name", True, {
        "Body Mass Index": "C16358", "Height": "C25347", "Weight": "C25208",
    }),
    CodeList("PKPARMCD", "C85839", "PK Parameters Code", True, {
        "CMAX": "C70918", "TMAX": "C70919", "AUCLST": "C85565", "AUCIFO": "C85761", "AUCTAU": "C85567",
        "AUCALL": "C85564", "LAMZHL": "C85818", "LAMZ": "C85652", "CLST": "C85655", "TLST": "C85822",
        "CLFO": "C85772", "VZFO": "C85775", "CMIN": "C85579", "CAVG": "C85575",
    }),
    CodeList("PKPARM", "C85493", "PK Parameters", True, {
        "AUC All": "C85564", "AUC Infinity Obs": "C85761", "AUC Over Dosing Interval": "C85567",
        "AUC to Last Nonzero Conc": "C85565", "Average Concentration": "C85575", "Half-Life Lambda z": "C85818",
        "Lambda z": "C85652", "Last Nonzero Conc": "C85655", "Max Conc": "C70918", "Min Conc": "C85579",
        "Time of CMAX Observation": "C70919", "Time of Last Nonzero Conc": "C85822", "Total CL Obs by F": "C85772",
        "Vz Obs by F": "C85775",
    }),
    CodeList("SPECTYPE", "C78734", "Specimen Type", True, {
        "PLASMA": "C13356", "SERUM": "C13325", "BLOOD": "C12434",
    }),
    CodeList("TRTESTCD", "C96779", "Tumor or Lesion Properties Test Code", True, {
        "SUMDIAM": "C96631",
    }),
    CodeList("TRTEST", "C96778", "Tumor or Lesion Properties Test Name", True, {
        "Sum of Diameter": "C96631",
    }),
    CodeList("MUSCTSCD", "C127269", "Musculoskeletal System Finding Test Code", True, {
        "BMD": "C61545",
    }),
    CodeList("MUSCTS", "C127270", "Musculoskeletal System Finding Test Name", True, {
        "Bone Mineral Density": "C61545",
    }),
    CodeList("ADCTC", "C100132", "ADAS-Cog CDISC Version Functional Test Test Code", False, {
        "ADCTS": "C208544",
    }),
    CodeList("ADCTN", "C100131", "ADAS-Cog CDISC Version Functional Test Test Name", False, {
        "Total Score": "C208544",
    }),
    CodeList("FTCAT", "C115304", "Category of Functional Test", True, {
        "ADAS-COG": "C100762",
    }),
    CodeList("CCCAT", "C118971", "Category of Clinical Classification", True, {
        "UPDRS": "C100778",
    }),
    CodeList("GFTESTCD", "C181178", "Genomic Findings Test Code", True, {
        "SHRTVAR": "C181334", "SNV": "C181331",
    }),
    CodeList("GFTEST", "C181179", "Genomic Findings Test Name", True, {
        "Short Variation": "C181334", "Single Nucleotide Variation": "C181331",
    }),
    CodeList("METHOD", "C85492", "Method", True, {
        "DXA SCAN": "C48789", "CT SCAN": "C17204",
    }),
    CodeList("EVAL", "C78735", "Evaluator", True, {
        "INVESTIGATOR": "C25936",
    }),
    CodeList("LOC", "C74456", "Anatomical Location", True, {
        "LUMBAR SPINE": "C69314",
    }),
    CodeList("SCTESTCD", "C74559", "Subject Characteristic Test Code", True, {}),
    CodeList("SCTEST", "C103330", "Subject Characteristic Test Name", True, {}),
    CodeList("DICTNAM", "C66788", "Dictionary Name", True, {
        "CDISC CT": "C163415", "ISO 21090": "C81895", "ISO 3166": "C209537", "SNOMED": "C53489", "UNII": "C163417",
        "MED-RT": "C163416",
    }),
    CodeList("TSPARMCD", "C66738", "Trial Summary Parameter Test Code", True, {
        "ACTSUB": "C98703", "ADAPT": "C146995", "ADDON": "C49703", "AGEMAX": "C49694", "AGEMIN": "C49693",
        "DCUTDESC": "C98718", "DCUTDTC": "C98717", "DOSE": "C25488", "DOSFRM": "C42636", "DOSFRQ": "C89081",
        "DOSU": "C73558", "EXTTIND": "C139274", "FCNTRY": "C98770", "HLTSUBJI": "C98737", "INDIC": "C112038",
        "INTMODEL": "C98746", "INTTYPE": "C98747", "LENGTH": "C49697", "NARMS": "C98771", "NCOHORT": "C126063",
        "OBJPRIM": "C85826", "ONGOSIND": "C204699", "OUTMSPRI": "C98772", "OUTMSSEC": "C98781", "PCLAS": "C98768",
        "PDPSTIND": "C123631",
        "PDSTIND": "C123632", "PIPIND": "C126069", "PLANSUB": "C49692", "RANDOM": "C25196", "RANDQT": "C98775",
        "RDIND": "C126070", "REGID": "C98714", "ROUTE": "C38114", "SDTIGVER": "C156604", "SDTMVER": "C156605",
        "SENDTC": "C90462", "SEXPOP": "C49696", "SPONSOR": "C70793", "SSTDTC": "C69208", "STOPRULE": "C49698",
        "STYPE": "C142175", "TBLIND": "C49658", "TCNTRL": "C49647", "TDIGRP": "C49650", "TINDTP": "C49652",
        "TITLE": "C49802", "TPHASE": "C48281", "TRT": "C41161", "TTYPE": "C49660", "CURTRT": "C85582",
        "CRMDUR": "C98715", "SDMDUR": "C98783", "THERAREA": "C101302", "COMPTRT": "C68612", "STRATFCT": "C16153",
    }),
    CodeList("TSPARM", "C67152", "Trial Summary Parameter Test Name", True, {
        "Actual Number of Subjects": "C98703", "Adaptive Design": "C146995",
        "Added on to Existing Treatments": "C49703", "Clinical Study Sponsor": "C70793",
        "Comparative Treatment Name": "C68612", "Confirmed Response Minimum Duration": "C98715",
        "Control Type": "C49647", "Current Therapy or Treatment": "C85582", "Data Cutoff Date": "C98717",
        "Data Cutoff Description": "C98718", "Diagnosis Group": "C49650", "Dose Form": "C42636",
        "Dose per Administration": "C25488", "Dose Units": "C73558", "Dosing Frequency": "C89081",
        "Extension Trial Indicator": "C139274", "Healthy Subject Indicator": "C98737",
        "Intervention Model": "C98746", "Intervention Type": "C98747",
        "Investigational Therapy or Treatment": "C41161", "Number of Groups/Cohorts": "C126063",
        "Ongoing Study Indicator": "C204699", "Pediatric Investigation Plan Indicator": "C126069",
        "Pediatric Postmarket Study Indicator": "C123631", "Pediatric Study Indicator": "C123632",
        "Pharmacologic Class": "C98768", "Planned Country of Investigational Sites": "C98770",
        "Planned Maximum Age of Subjects": "C49694", "Planned Minimum Age of Subjects": "C49693",
        "Planned Number of Arms": "C98771", "Planned Number of Subjects": "C49692",
        "Primary Outcome Measure": "C98772", "Randomization Quotient": "C98775", "Rare Disease Indicator": "C126070",
        "Registry Identifier": "C98714", "Route of Administration": "C38114", "SDTM IG Version": "C156604",
        "SDTM Version": "C156605", "Secondary Outcome Measure": "C98781", "Sex of Participants": "C49696",
        "Stable Disease Minimum Duration": "C98783",
        "Stratification Factor": "C16153", "Study End Date": "C90462", "Study Start Date": "C69208",
        "Study Stop Rules": "C49698", "Study Type": "C142175", "Therapeutic Area": "C101302",
        "Trial Blinding Schema": "C49658", "Trial Disease/Condition Indication": "C112038",
        "Trial Intent Type": "C49652", "Trial is Randomized": "C25196", "Trial Length": "C49697",
        "Trial Phase Classification": "C48281", "Trial Primary Objective": "C85826", "Trial Title": "C49802",
        "Trial Type": "C49660",
    }),
    CodeList("DOMAIN", "C66734", "SDTM Domain Abbreviation", True, {
        "AE": "C49562", "CE": "C85441", "CM": "C49568", "DM": "C49572", "DS": "C49576", "EX": "C49587",
        "FT": "C117756", "GF": "C181320", "LB": "C49592", "MK": "C102674", "PC": "C49606", "PP": "C49607",
        "QS": "C49609", "RS": "C107097", "SC": "C49610", "SE": "C49616", "SV": "C49617", "TA": "C49618",
        "TD": "C117699", "TE": "C49619", "TI": "C49620", "TR": "C106578", "TS": "C53483", "TV": "C49621",
        "VS": "C49622",
    }),
)
# fmt: on

CODELISTS: Mapping[str, CodeList] = MappingProxyType({one.name: one for one in _LISTS})
"""Every published list by its short name."""
